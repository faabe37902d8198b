import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Inject,
  Injectable,
  Scope,
  UseGuards,
  type CanActivate,
  type Provider,
} from '@nestjs/common';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import {
  InjectTick,
  inspectScopes,
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  type Tick,
  inMemoryQueue,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { RequestScoped, Transient, YEARLY } from '../support/probes.js';
import { told, wordsAbout } from '../support/validation.js';

@Injectable()
class Api {}

@ScopedWorker()
class Cleaner {
  constructor(readonly api: Api) {}

  @ScopedCron(YEARLY)
  clean(): void {}
}

@ScopedWorker()
class Warmer {
  @ScopedCron(YEARLY)
  warm(): void {}
}

@ScopedWorker()
class Orders {
  constructor(readonly api: Api) {}

  @ScopedConsumer('orders')
  bill(): void {}
}

const orders = { provide: 'orders', useFactory: () => inMemoryQueue<number>({ capacity: 1 }) };
const HINT =
  '[SW207] Cleaner injects nothing that is new for each tick. Unless it resolves providers by hand, only Cleaner itself is built for a tick, and nothing is disposed after it. It needs no scope. If you expected a new instance of a service, add scope: Scope.REQUEST to that service.';

describe('A worker that injects singletons only', () => {
  afterEach(closeApps);

  it('is not reported as needing no scope when it is refused for being durable', async () => {
    @Injectable({ scope: Scope.REQUEST, durable: true })
    @ScopedWorker()
    class Lasting {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    const { app } = await startApp({
      providers: [Lasting],
      options: { scopeValidation: 'warn' },
    });
    const { findings } = inspectScopes(app);
    expect(findings.map(({ number }) => number)).toEqual(['SW101']);
  });

  it.each([
    [
      'only its base class is marked',
      'Child extends a class marked @ScopedWorker(), but',
      'Mark Child itself @ScopedWorker(), in place of @Injectable().',
    ],
    [
      'another decorator is above the mark',
      'Child is marked @ScopedWorker(), but',
      'Move @ScopedWorker() above the other decorators of the class, so that none of them resets its scope.',
    ],
  ])('[C9] is refused if Nest builds it once, because %s', async (_, start, advice) => {
    @ScopedWorker()
    class Base {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @Injectable()
    class Child extends Base {}
    if (start.includes(' is marked ')) {
      ScopedWorker()(Child);
      Injectable()(Child);
    }
    const { app } = await startApp({
      providers: [Child],
      options: { scopeValidation: 'warn' },
    });
    const [message] = inspectScopes(app).findings.map((finding) => finding.message);
    expect(message!.startsWith(start)).toBe(true);
    expect(message!.endsWith(advice)).toBe(true);
  });

  it.each(['error', 'strict', 'warn'] as const)(
    "is reported as needing no scope, as information, under '%s'",
    async (scopeValidation) => {
      const test = await startApp({ providers: [Api, Cleaner], options: { scopeValidation } });
      expect(told(test)).toEqual([HINT]);
      expect(told(test, 'log')).toEqual([HINT]);
      expect(inspectScopes(test.app).findings).toContainEqual({
        number: 'SW207',
        kind: 'scope-not-needed',
        severity: 'info',
        subject: 'Cleaner',
        chain: [],
        message: HINT.slice('[SW207] '.length),
      });
      const { outcome } = await test.registry.run('Cleaner.clean');
      expect(outcome).toBe('succeeded');
    },
  );

  it('shares its line with others', async () => {
    const test = await startApp({ providers: [Api, Cleaner, Warmer, orders, Orders] });
    expect(told(test)).toEqual([`${HINT} The same applies to Warmer, Orders.`]);
  });

  it("is not reported under 'off', nor when it is allowed", async () => {
    await expect(
      startApp({ providers: [Api, Cleaner], options: { scopeValidation: 'off' } }).then(told),
    ).resolves.toEqual([]);
    const allowFindings = [
      { finding: 'SW207', token: Cleaner, reason: 'a worker like all others' },
    ];
    expect(await wordsAbout({ providers: [Api, Cleaner], options: { allowFindings } })).toEqual([]);
  });

  it.each([
    ['around', { around: [(_tick: Tick, next: () => Promise<unknown>) => next()] }],
    ['onOpen', { onOpen: () => undefined }],
  ])('is not reported where %s may be what isolates its ticks', async (_option, options) => {
    expect(await wordsAbout({ providers: [Api, Cleaner], options })).toEqual([]);
  });

  it('is reported as before beside an empty list of hooks', async () => {
    const options = { around: [] };
    expect(await wordsAbout({ providers: [Api, Cleaner], options })).toEqual([HINT]);
  });

  describe('is another matter, and not reported', () => {
    @RequestScoped()
    class Tenant {}
    @Injectable()
    class Invoices {
      constructor(readonly tenant: Tenant) {}
    }
    @Transient()
    class Log {}
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Pool {}
    @RequestScoped()
    class Guard implements CanActivate {
      canActivate(): boolean {
        return true;
      }
    }

    @ScopedWorker()
    class Bubbling {
      constructor(readonly invoices: Invoices) {}
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class ByProperty {
      @Inject(Tenant) readonly tenant!: Tenant;
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class WithTick {
      constructor(@InjectTick() readonly tick: Tick) {}
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class WithLog {
      constructor(readonly log: Log) {}
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class OnPool {
      constructor(readonly pool: Pool) {}
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class Disposed {
      constructor(readonly api: Api) {}
      @ScopedCron(YEARLY)
      run(): void {}
      [Symbol.dispose](): void {}
    }
    class Base {
      onModuleDestroy(): void {}
    }
    @ScopedWorker()
    class Inheriting extends Base {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class Committing {
      @ScopedCron(YEARLY)
      run(): void {}
      onScopeCommit(): void {}
    }
    @UseGuards(Guard)
    @ScopedWorker()
    class Guarded {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class Empty {}
    class Made {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    ScopedWorker()(Made);

    it.each<[string, Provider[]]>([
      ['over a service that is request-scoped by bubbling', [Bubbling, Invoices]],
      ['by a property', [ByProperty]],
      ['with the tick', [WithTick]],
      ['with a transient, which is built for its ticks', [WithLog, Log]],
      ['over a durable provider', [OnPool, Pool]],
      ['with its own disposer', [Disposed]],
      ['with an inherited disposer', [Inheriting]],
      ['with a scope hook', [Committing]],
      ['with a request-scoped guard', [Guarded]],
      ['without handlers', [Empty]],
      [
        'made by a factory',
        [{ provide: Made, scope: Scope.REQUEST, useFactory: () => new Made() }],
      ],
    ])('%s', async (_what, providers) => {
      expect(await wordsAbout({ providers: [Api, Tenant, ...providers] })).toEqual([]);
    });
  });
});

describe('A worker with a lifecycle hook of Nest', () => {
  @RequestScoped()
  class Tenant {}
  @ScopedWorker()
  class Imports {
    constructor(readonly tenant: Tenant) {}

    onApplicationBootstrap(): void {}

    @ScopedCron(YEARLY)
    run(): void {}
  }
  @ScopedWorker()
  class Closing {
    constructor(readonly tenant: Tenant) {}

    onModuleDestroy(): void {}

    @ScopedCron(YEARLY)
    run(): void {}
  }

  it('is reported, because Nest never calls the hook', async () => {
    const words = await wordsAbout({
      options: { scopeValidation: 'error' },
      providers: [Tenant, Imports],
    });
    expect(words).toEqual([
      '[SW210] Nest never calls onApplicationBootstrap on Imports, because each tick gets a new worker. The work in the hook never happens. Move it to a singleton. To run a handler once at start-up, set runOnStart: true. For work before each tick, use onScopeInit.',
    ]);
  });

  it('names all hooks that Nest never calls', async () => {
    @ScopedWorker()
    class Both extends Imports {
      onModuleInit(): void {}
    }
    const words = await wordsAbout({
      options: { scopeValidation: 'error' },
      providers: [Tenant, Both],
    });
    expect(words).toEqual([
      expect.stringMatching(
        /^\[SW210\] Nest never calls onModuleInit or onApplicationBootstrap on Both, because each tick gets a new worker\. The work in these hooks never happens\. /,
      ),
    ]);
  });

  it('is reported when a dependency makes an adopted class request-scoped', async () => {
    @Injectable()
    class Jobs {
      constructor(readonly tenant: Tenant) {}

      onModuleInit(): void {}

      @Cron(YEARLY)
      run(): void {}
    }
    const words = await wordsAbout({
      options: { scopeValidation: 'error', adoptNestSchedules: true },
      imports: [ScheduleModule.forRoot()],
      providers: [Tenant, Jobs],
    });
    expect(words).toEqual([
      expect.stringMatching(/^\[SW210\] Nest never calls onModuleInit on Jobs,/),
    ]);
  });

  it('is not when the scope calls it', async () => {
    expect(await wordsAbout({ providers: [Tenant, Closing] })).toEqual([]);
  });
});
