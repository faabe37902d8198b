import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  forwardRef,
  Get,
  Global,
  Inject,
  Injectable,
  Module,
  Optional,
  Scope,
  UseGuards,
  type CanActivate,
  type DynamicModule,
  type OnModuleDestroy,
  type Provider,
  type Type,
} from '@nestjs/common';
import { LazyModuleLoader, ModuleRef } from '@nestjs/core';
import {
  inMemoryQueue,
  inspectScopes,
  InvalidScheduleError,
  ProviderScopeFactory,
  ScopeClosedError,
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  type ScopeValidationError,
  StaysSingleton,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { RequestScoped, worker, YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { findingsOf, startClean, told, wordsAbout } from '../support/validation.js';

@RequestScoped()
class Tenant {}

@StaysSingleton()
@Injectable()
class Client {
  constructor(readonly tenant: Tenant) {}
}

@ScopedWorker()
class Broken {
  @ScopedCron(YEARLY)
  run(): void {}
}
const SINGLE = { provide: Broken, useFactory: () => new Broken() };

afterEach(closeApps);

describe('What is broken is reported', () => {
  @Module({ providers: [SINGLE, Tenant, Client] })
  class Aside {}
  @Module({ imports: [Aside] })
  class Outer {}
  @Global()
  @Module({ providers: [SINGLE, Tenant, Client] })
  class Everywhere {}
  @Module({})
  class Dynamic {
    static register(id: string): DynamicModule {
      return {
        module: Dynamic,
        providers: [SINGLE, Tenant, Client, { provide: 'id', useValue: id }],
      };
    }
  }
  @Module({ providers: [SINGLE, Tenant, Client], exports: [Client] })
  class Once {}
  @Module({ providers: [SINGLE, Tenant, Client], exports: [Client] })
  class Again {}
  @Module({ imports: [forwardRef(() => Back)], providers: [SINGLE] })
  class Forth {}
  @Module({ imports: [forwardRef(() => Forth)], providers: [Tenant, Client] })
  class Back {}

  it.each<[string, (Type | DynamicModule)[]]>([
    ['in a module that no other uses', [Aside]],
    ['in a module of a module', [Outer]],
    ['in a global module', [Everywhere]],
    ['in a dynamic module', [Dynamic.register('a')]],
    ['in modules that import each other', [Forth]],
    ['once, in a module that is imported twice', [Aside, Outer, Aside]],
    ['once, in a dynamic module that is registered twice', ['a', 'b'].map(Dynamic.register)],
    ['once, in two modules that provide the same', [Once, Again]],
  ])('[C9] %s', async (_where, imports) => {
    const findings = await findingsOf({ imports });
    expect(findings.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['worker-not-scoped', 'Broken'],
      ['singleton-rebuilt', 'Client'],
    ]);
  });

  it('[C9] not in a module that is loaded lazily, after start-up, and it does no harm', async () => {
    const { app, registry, log } = await startClean({ providers: [Tenant, worker([Tenant])] });
    await app.get(LazyModuleLoader, { strict: false }).load(() => Aside);
    await expect(registry.run('Worker.run')).resolves.toMatchObject({ outcome: 'succeeded' });
    expect(told({ log } as never)).toEqual([]);
    expect(registry.list().map(({ name }) => name)).toEqual(['Worker.run']);
  });
});

describe('What overrideProvider() mends is not reported', () => {
  @Injectable()
  class Settings {
    constructor(readonly tenant: Tenant) {}
  }
  @StaysSingleton()
  @Injectable()
  class Pool implements OnModuleDestroy {
    constructor(readonly settings: Settings) {}

    onModuleDestroy(): void {}
  }
  @Injectable()
  class FakeSettings {}
  const providers = [Tenant, Settings, Pool];

  it('[C10] without it, it is', async () => {
    expect(await findingsOf({ providers })).toMatchObject([{ subject: 'Pool' }]);
  });

  it.each<[string, Parameters<typeof startClean>[0]['build']]>([
    ['the culprit by a value', (to) => to.overrideProvider(Tenant).useValue({})],
    ['what is in between by a value', (to) => to.overrideProvider(Settings).useValue({})],
    ['what is in between by a class', (to) => to.overrideProvider(Settings).useClass(FakeSettings)],
    ['what must stay by a value', (to) => to.overrideProvider(Pool).useValue({})],
  ])('[C10] %s', async (_what, build) => {
    expect(await wordsAbout({ providers, build: build! })).toEqual([]);
  });

  it('[C10] but not what it leaves as it is: by a factory Nest keeps the scope', async () => {
    const { findings } = (await refusal({
      providers,
      build: (to) => to.overrideProvider(Tenant).useFactory({ factory: () => ({}) }),
    })) as ScopeValidationError;
    expect(findings).toMatchObject([{ subject: 'Pool', chain: ['Pool', 'Settings', 'Tenant'] }]);
  });

  it('[C10] what it breaks is reported', async () => {
    const findings = await findingsOf({
      providers: [Tenant, { provide: Pool, useClass: FakeSettings }],
      build: (to) =>
        to.overrideProvider(Pool).useFactory({ inject: [Tenant], factory: () => ({}) }),
    });
    expect(findings).toMatchObject([{ subject: 'Pool', chain: ['Pool', 'Tenant'] }]);
  });
});

describe('A circle', () => {
  @StaysSingleton()
  @Injectable()
  class Left {
    constructor(@Inject(forwardRef(() => Right)) readonly right: unknown) {}
  }
  @Injectable()
  class Right {
    constructor(
      @Inject(forwardRef(() => Left)) readonly left: unknown,
      readonly tenant: Tenant,
    ) {}
  }
  @Injectable()
  class ByProperty {
    @Inject(forwardRef(() => Other)) readonly other: unknown;
  }
  @Injectable()
  class Other {
    @Inject(forwardRef(() => ByProperty)) readonly first: unknown;
    @Inject(Tenant) readonly tenant: unknown;
    onModuleDestroy(): void {}
  }

  it.each<[string, Provider[]]>([
    ['begins with it', [Left, Right, Tenant]],
    ['ends with it', [Tenant, Right, Left]],
  ])(
    '[C1] that makes a singleton request-scoped is reported: the list %s',
    async (_what, providers) => {
      const findings = await findingsOf({ providers: [...providers, worker([Right])] });
      expect(findings).toMatchObject([
        {
          kind: 'singleton-rebuilt',
          subject: 'Left',
          chain: ['Worker.run', 'Right', 'Left', 'Right', 'Tenant'],
        },
      ]);
    },
  );

  it('of properties is gone through, and ends', async () => {
    const findings = await findingsOf({
      providers: [ByProperty, Other, Tenant, worker([ByProperty])],
    });
    expect(findings).toMatchObject([{ kind: 'resource-rebuilt', subject: 'Other' }]);
  });

  it('of request-scoped providers does not cause a finding', async () => {
    @RequestScoped()
    class One {
      constructor(@Inject(forwardRef(() => Two)) readonly two: unknown) {}
    }
    @RequestScoped()
    class Two {
      constructor(@Inject(forwardRef(() => One)) readonly one: unknown) {}
    }
    expect(await wordsAbout({ providers: [One, Two, worker([One])] })).toEqual([]);
  });
});

describe('What Nest allows', () => {
  @RequestScoped()
  class UnitOfWork {
    constructor(@Optional() @Inject('missing') readonly missing: unknown) {}
  }
  abstract class Clock {}
  @Injectable()
  class SystemClock extends Clock {}
  @Injectable()
  class Config {}
  @RequestScoped()
  class Guard implements CanActivate {
    constructor(readonly unit: UnitOfWork) {}

    canActivate(): boolean {
      return true;
    }
  }
  @UseGuards(Guard)
  @Controller('guarded')
  class Guarded {
    @Get()
    get(): void {}
  }
  class Base {
    @Inject(UnitOfWork) readonly unit!: UnitOfWork;
  }
  @Injectable()
  class Inherits extends Base {}
  const symbol = Symbol('cache');

  it('[C11] is not reported, in one application with all of it', async () => {
    expect(
      await wordsAbout({
        controllers: [Guarded],
        providers: [
          UnitOfWork,
          Config,
          Inherits,
          { provide: Clock, useClass: SystemClock },
          { provide: symbol, inject: [Config], useFactory: async (config: Config) => ({ config }) },
          { provide: 'alias', useExisting: symbol },
          { provide: 'each', inject: [Clock, UnitOfWork], useFactory: async () => ({}) },
          { provide: 'optional', inject: [{ token: 'none', optional: true }], useFactory: () => 1 },
          { provide: 'nothing', useValue: undefined },
          { provide: '', useValue: null },
          worker([Inherits, Clock, symbol, 'alias', 'each', 'optional', 'nothing']),
        ],
      }),
    ).toEqual([]);
  });

  it('[C11] the body of a factory is not known: the inspector notes it, and nothing is refused', async () => {
    const pool = { [Symbol.dispose]: () => undefined, onModuleInit: () => undefined };
    const { app } = await startClean({
      providers: [
        UnitOfWork,
        { provide: 'pool', inject: [UnitOfWork], useFactory: () => ({ ...pool }) },
        worker(['pool']),
      ],
    });
    const [{ tree, disposal }] = inspectScopes(app).workers as [
      ReturnType<typeof inspectScopes>['workers'][number],
    ];
    expect(tree.dependencies[0]).toMatchObject({
      name: 'pool',
      isFactory: true,
      disposer: undefined,
    });
    expect(disposal).toContain('the result of the factory of pool');
  });

  it('[C7] a singleton that opens scopes', async () => {
    @StaysSingleton()
    @Injectable()
    class Listener {
      constructor(private readonly scopes: ProviderScopeFactory) {}

      heard(): Promise<UnitOfWork> {
        return this.scopes.run((scope) => scope.resolve(UnitOfWork));
      }
    }
    const { app } = await startClean({ providers: [UnitOfWork, Listener] });
    await expect(app.get(Listener).heard()).resolves.toBeInstanceOf(UnitOfWork);
  });
});

describe('A request-scoped token outside of any scope', () => {
  @Injectable()
  class Invoices {
    constructor(readonly tenant: Tenant) {}
  }
  @Injectable()
  class Config {
    readonly cron = YEARLY;
  }
  const session = { provide: 'session', scope: Scope.REQUEST, useFactory: () => ({}) };
  const scoped = [Tenant, Invoices, Config, session];

  const timedBy = (token: unknown): Type => {
    @ScopedWorker()
    class Timed {
      @ScopedCron({ inject: [token as Type], useFactory: () => YEARLY })
      run(): void {}
    }
    return Timed;
  };
  const fedBy = (token: unknown): Type => {
    @ScopedWorker()
    class Fed {
      @ScopedConsumer(token as Type)
      run(): void {}
    }
    return Fed;
  };

  it.each<[string, unknown, string]>([
    ['a class', Tenant, 'Tenant'],
    ['a class that bubbling made so', Invoices, 'Invoices'],
    ['a factory', 'session', 'session'],
  ])('[C5] is refused where a decorator asks for it, by name: %s', async (_what, token, name) => {
    const text = `names ${name}, which is not a singleton, because it or one of its dependencies has a scope. Remove that scope.`;
    for (const [Worker, handler] of [
      [timedBy(token), 'Timed.run'],
      [fedBy(token), 'Fed.run'],
    ] as const) {
      const error = await refusal({ providers: [...scoped, Worker] });
      expect(error).toBeInstanceOf(InvalidScheduleError);
      const { problems } = error as InvalidScheduleError;
      expect(problems).toEqual([expect.stringMatching(`^${handler}: `)]);
      expect(problems[0]).toContain(text);
    }
  });

  it('[C5] its neighbor, a singleton, is taken', async () => {
    const queue = { provide: 'queue', useValue: inMemoryQueue<number>({ capacity: 1 }) };
    const { registry } = await startApp({
      providers: [...scoped, queue, timedBy(Config), fedBy('queue')],
    });
    expect(registry.list().map(({ name }) => name)).toEqual(['Timed.run', 'Fed.run']);
  });

  it.each<[string, Type]>([
    ['a worker', worker([])],
    ['a request-scoped class', Tenant],
  ])("[C5] get() of %s is Nest's own error, and names it", async (_what, token) => {
    const { app } = await startApp({ providers: [...scoped, token] });
    const refused = new RegExp(`^${token.name} is marked as a scoped provider`);
    expect(() => app.get<unknown>(token)).toThrow(refused);
    expect(() => app.get(ModuleRef).get<unknown>(token, { strict: false })).toThrow(refused);
    expect(app.get(Config).cron).toBe(YEARLY);
  });

  it('[C5] is a ScopeClosedError of the scope that is over, and names it', async () => {
    const { scopes } = await startApp({ providers: scoped });
    const scope = await scopes.open();
    await expect(scope.resolve(Invoices)).resolves.toBeInstanceOf(Invoices);
    await scope.complete();
    const error: unknown = await scope.resolve(Invoices).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ScopeClosedError);
    expect((error as Error).message).toContain('Invoices');
  });
});
