import {
  Inject,
  Injectable,
  Module,
  Optional,
  Scope,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type DynamicModule,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { EntityManager, Repository } from 'typeorm';
import {
  BackgroundWorker,
  DuplicateScheduleError,
  InjectTick,
  inMemoryQueue,
  inspectScopes,
  InvalidScheduleError,
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type DeadLetter,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, compileApp, startApp, type TestApp } from '../support/app.js';
import {
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { begin, heard } from '../support/background.js';
import { advance } from '../support/fake-clock.js';
import { YEARLY } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { Note } from '../support/scoped-typeorm.js';
import { sqliteRoot } from '../support/sqlite.js';

const TENANT = 'TENANT';
const named = {
  inject: [TENANT],
  useFactory: (tenant: string) => `sync ${tenant}`,
};

const ran: string[] = [];

@ScopedWorker()
class NamedSync {
  constructor(@Inject(TENANT) private readonly tenant: string) {}

  @ScopedCron('0 * * * * *', { name: named })
  run({ schedule }: Tick): void {
    ran.push(`${schedule} for ${this.tenant}`);
  }
}

@ScopedWorker()
class Sync {
  constructor(@Inject(TENANT) private readonly tenant: string) {}

  @ScopedCron('0 * * * * *')
  run(): void {
    ran.push(this.tenant);
  }
}

@ScopedWorker()
class Plain {
  @ScopedCron('0 * * * * *')
  run(): void {
    ran.push('plain');
  }
}

@ScopedWorker()
class Asking {
  constructor(readonly moduleRef: ModuleRef) {}

  @ScopedCron(YEARLY)
  run(): void {}
}

@Injectable()
class TenantClient {
  constructor(@Inject(TENANT) readonly tenant: string) {}
}

@Module({})
class SyncModule {
  /** As a module of an application is written: its option is its own provider. */
  static for(tenant: string, ...providers: Provider[]): DynamicModule {
    return { module: SyncModule, providers: [{ provide: TENANT, useValue: tenant }, ...providers] };
  }
}

const namesOf = (registry: ScopedWorkerRegistry): string[] =>
  registry.list().map(({ name }) => name);

const infos = ({ log }: TestApp): string[] =>
  log.of('log').filter((message) => message.startsWith('[SW103]'));

appsOnFakeClock();
beforeEach(() => void (ran.length = 0));

describe('A module that is imported twice', () => {
  describe('when each has other dependencies for the worker', () => {
    const imports = ['acme', 'globex'].map((tenant) => SyncModule.for(tenant, NamedSync));

    it('[XD1] each runs, once per slot, under the name that its providers supply', async () => {
      const { registry, log } = await startApp({ imports, options: { scopeValidation: 'strict' } });
      expect(namesOf(registry)).toEqual(['sync acme', 'sync globex']);
      expect(registry.get('sync acme').handler).toBe('NamedSync.run');
      expect(log.of('log').join('\n')).toMatch(/2 scheduled.*sync acme \(.*sync globex \(/);
      await advance(120_000);
      expect(ran.sort()).toEqual([
        'sync acme for acme',
        'sync acme for acme',
        'sync globex for globex',
        'sync globex for globex',
      ]);
    });

    it('overrides name each by itself, and an unknown name lists what exists', async () => {
      const overrides = { 'sync globex': { disabled: true } };
      const { registry } = await startApp({ imports, options: { overrides } });
      expect(registry.get('sync acme').state).toBe('active');
      expect(registry.get('sync globex').state).toBe('disabled');
      const error = await refusal({
        imports,
        options: { overrides: { 'sync initech': { disabled: true } } },
      });
      expect(error.message).toContain('Use one of these names: sync acme, sync globex.');
    });

    it('[XD1] refuses start-up without separate names, and says how to set them', async () => {
      const error = await refusal({
        imports: ['acme', 'globex', 'initech'].map((tenant) => SyncModule.for(tenant, Sync)),
      });
      expect(error).toBeInstanceOf(DuplicateScheduleError);
      expect(error.message).toBe(
        `Sync.run: two schedules would have the name "Sync.run". SyncModule is imported more than once and provides Sync with different dependencies (TENANT), so each of these workers has to run. Compute the name from a provider that differs between the workers, such as TENANT, and return the same name on every start: { name: { inject: [...], useFactory: (...) => '...' } }.`,
      );
    });

    it.each<[string, readonly DynamicModule[]]>([
      [
        'its own value behind a class',
        ['acme', 'globex'].map((tenant) =>
          SyncModule.for(
            tenant,
            TenantClient,
            { provide: 'alias', useExisting: TenantClient },
            { provide: Plain, scope: Scope.REQUEST, inject: ['alias'], useFactory: () => ({}) },
          ),
        ),
      ],
      [
        'an object of a class, of which nothing is known',
        ['acme', 'globex'].map((tenant) => {
          class Hidden {
            readonly #tenant = tenant;
            who = (): string => this.#tenant;
          }
          return {
            module: SyncModule,
            providers: [{ provide: TENANT, useFactory: () => new Hidden() }, Sync],
          };
        }),
      ],
      [
        'a module that it asks by ModuleRef',
        ['acme', 'globex'].map((tenant) => SyncModule.for(tenant, Asking)),
      ],
    ])('[XD1] distinguishes them by %s', async (_what, dynamic) => {
      expect(await refusal({ imports: [...dynamic] })).toBeInstanceOf(DuplicateScheduleError);
    });

    describe('only through a guard', () => {
      @Injectable()
      class TenantGuard {
        constructor(@Inject(TENANT) readonly tenant: string) {}

        canActivate(): boolean {
          return true;
        }
      }
      @ScopedWorker()
      class Guarded {
        @ScopedCron('0 * * * * *')
        @UseGuards(TenantGuard)
        run(): void {}
      }
      const byFactory = {
        provide: Guarded,
        scope: Scope.REQUEST,
        useFactory: () => new Guarded(),
      };

      it.each<[string, Provider]>([
        ['the class itself', Guarded],
        ['useClass', { provide: 'guarded', useClass: Guarded }],
        ['a factory', byFactory],
      ])('[XD1] distinguishes them if they provide it by %s', async (_how, provider) => {
        const imports = ['acme', 'globex'].map((tenant) => SyncModule.for(tenant, provider));
        expect(await refusal({ imports })).toBeInstanceOf(DuplicateScheduleError);
      });

      it('[D24] it runs once when both have the same for the guard', async () => {
        const imports = ['first', 'second'].map((other) =>
          SyncModule.for('acme', byFactory, { provide: 'other', useValue: other }),
        );
        expect(namesOf((await startApp({ imports })).registry)).toEqual(['Guarded.run']);
      });
    });

    it('[XD1] distinguishes them by what a decorator asks providers for', async () => {
      @ScopedWorker()
      class Polling {
        @ScopedCron(
          {
            inject: [TENANT],
            useFactory: (tenant: string) => (tenant === 'acme' ? '@daily' : '@hourly'),
          },
          { name: { ...named, useFactory: async (tenant: string) => `poll ${tenant}` } },
        )
        run(): void {}
      }
      const { registry } = await startApp({
        imports: ['acme', 'globex'].map((tenant) => SyncModule.for(tenant, Polling)),
      });
      expect(registry.list().map(({ name, expression }) => [name, expression])).toEqual([
        ['poll acme', '@daily'],
        ['poll globex', '@hourly'],
      ]);
    });

    it('[XD1] each consumer reads the source of its module', async () => {
      const received: string[] = [];
      @ScopedWorker()
      class Consumer {
        @ScopedConsumer('QUEUE', { name: named })
        handle({ schedule, payload }: Tick<string>): void {
          received.push(`${schedule}: ${payload}`);
        }
      }
      const queues = ['acme', 'globex'].map((tenant) => [tenant, inMemoryQueue<string>()] as const);
      await startApp({
        imports: queues.map(([tenant, queue]) =>
          SyncModule.for(tenant, Consumer, { provide: 'QUEUE', useValue: queue }),
        ),
      });
      await Promise.all(queues.map(([tenant, queue]) => queue.put(`hello ${tenant}`)));
      await advance(1_000);
      expect(received.sort()).toEqual(['sync acme: hello acme', 'sync globex: hello globex']);
    });

    it('each puts its dead letters where its module says', async () => {
      const letters: string[] = [];
      @Injectable({ scope: Scope.REQUEST })
      class DeadLetters {
        constructor(@Inject(TENANT) private readonly tenant: string) {}

        keep({ body }: DeadLetter): void {
          letters.push(`${String(body)} for ${this.tenant}`);
        }
      }
      @ScopedWorker()
      class Consumer {
        @ScopedConsumer('QUEUE', {
          name: named,
          maxDeliveries: 1,
          deadLetter: async (letter, resolve) => (await resolve(DeadLetters)).keep(letter),
        })
        handle(): never {
          throw new Error('boom');
        }
      }
      const queues = ['acme', 'globex'].map((tenant) => [tenant, inMemoryQueue<string>()] as const);
      const queue = (useValue: unknown): Provider => ({ provide: 'QUEUE', useValue });
      await startApp({
        imports: queues.map(([tenant, source]) =>
          SyncModule.for(tenant, Consumer, DeadLetters, queue(source)),
        ),
      });
      await Promise.all(queues.map(([tenant, source]) => source.put(`letter of ${tenant}`)));
      await advance(1_000);
      expect(letters.sort()).toEqual(['letter of acme for acme', 'letter of globex for globex']);
    });

    it('[XD1] a job that would be adopted has no name that a provider can supply', async () => {
      @Injectable()
      class Job {
        constructor(
          @InjectTick() readonly tick: Tick,
          @Inject(TENANT) readonly tenant: string,
        ) {}

        @Cron('0 0 0 1 1 *')
        run(): void {}
      }
      const error = await refusal({
        imports: [ScheduleModule.forRoot(), ...['a', 'b'].map((id) => SyncModule.for(id, Job))],
        options: { adoptNestSchedules: true },
      });
      expect(error.message).toContain(
        'so each of these workers has to run. Mark Job @ScopedWorker(), use @ScopedCron, and compute the name from a provider that differs between the workers, such as TENANT',
      );
    });
  });

  it.each<[string, readonly DynamicModule[]]>([
    ['the same values', ['acme', 'acme'].map((tenant) => SyncModule.for(tenant, Sync))],
    [
      'the same data',
      [
        { url: 'x', tags: ['a'] },
        { url: 'x', tags: ['a'] },
      ].map((useValue) => ({
        module: SyncModule,
        providers: [{ provide: TENANT, useValue }, Sync],
      })),
    ],
    [
      'factories that return the same',
      [1, 2].map(() => ({
        module: SyncModule,
        providers: [{ provide: TENANT, useFactory: () => 'acme' }, Sync],
      })),
    ],
    [
      'other values that the worker does not use',
      ['acme', 'globex'].map((tenant) => SyncModule.for(tenant, Plain)),
    ],
  ])('[D24] its worker runs once with %s, and the log says so', async (_what, imports) => {
    const test = await startApp({ imports: [...imports], options: { scopeValidation: 'strict' } });
    const { registry } = test;
    expect(namesOf(registry)).toHaveLength(1);
    expect(infos(test)).toEqual([
      expect.stringMatching(
        /^\[SW103\] (Sync|Plain) is provided in SyncModule, which is imported more than once\. Its schedules run once, on the worker of SyncModule\. Provide it in a module that is imported once\.$/,
      ),
    ]);
    await advance(60_000);
    expect(ran).toHaveLength(1);
  });
});

describe('A module that is imported twice with a value object', () => {
  const twice = (...values: readonly unknown[]): DynamicModule[] =>
    values.map((since) => ({
      module: SyncModule,
      providers: [{ provide: TENANT, useValue: { since } }, Sync],
    }));
  class Hidden {
    readonly #tenant: string;
    constructor(tenant: string) {
      this.#tenant = tenant;
    }
    who = (): string => this.#tenant;
  }
  class Registry extends Map {}
  const hiding = (tenant: string): object => Object.defineProperty({}, 'tenant', { value: tenant });

  it.each<[string, () => unknown, unknown]>([
    ['a date', () => new Date(0), new Date(1)],
    ['a pattern', () => /a/g, /a/i],
    ['an address', () => new URL('http://a/x?y'), new URL('http://a/x?z')],
    ['a query', () => new URLSearchParams('a=1'), new URLSearchParams('a=2')],
    ['bytes', () => Buffer.from('acme'), Buffer.from('globex')],
    ['an array of bytes', () => Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
    ['a set', () => new Set(['a', 1]), new Set(['a', 2])],
    ['a smaller set', () => new Set(['a', 1]), new Set(['a'])],
    ['a map', () => new Map([['a', { b: new Date(0) }]]), new Map([['a', { b: new Date(1) }]])],
    ['a map with another key', () => new Map([['a', 1]]), new Map([['b', 1]])],
    [
      'a map in another order',
      () =>
        new Map([
          ['a', 1],
          ['b', 1],
        ]),
      new Map([
        ['b', 1],
        ['a', 1],
      ]),
    ],
    [
      'a map with a property',
      () => Object.assign(new Map(), { a: 1 }),
      Object.assign(new Map(), { a: 2 }),
    ],
    [
      'a symbol as a key',
      () => ({ [Symbol.for('tenant')]: 'acme' }),
      { [Symbol.for('tenant')]: 'globex' },
    ],
    ['a hidden property', () => hiding('acme'), hiding('globex')],
    ['a value of another kind', () => new Set(['a']), new Map([['a', 'a']])],
  ])('[D24] its worker runs once with the same, and twice with another: %s', async (...given) => {
    const [, value, other] = given;
    const { registry } = await startApp({ imports: twice(value(), value()) });
    expect(namesOf(registry)).toEqual(['Sync.run']);
    const refused = await refusal({ imports: twice(value(), other) });
    expect(refused).toBeInstanceOf(DuplicateScheduleError);
  });

  it.each<[string, () => unknown]>([
    ['an object of a class in a map', () => new Map([['a', new Hidden('acme')]])],
    ['an object of a class in a set', () => new Set([new Hidden('acme')])],
    ['an object as a key of a map', () => new Map([[{}, 1]])],
    ['a class that extends Map', () => new Registry()],
  ])('[XD1] must name it if it is unknown whether they differ: %s', async (_what, value) => {
    const refused = await refusal({ imports: twice(value(), value()) });
    expect(refused).toBeInstanceOf(DuplicateScheduleError);
  });
});

it('[D24] A worker of a module that is imported twice runs once with scoped repositories', async () => {
  @ScopedWorker()
  class Counting {
    constructor(
      @InjectScopedRepository(Note) private readonly notes: Repository<Note>,
      @InjectScopedEntityManager() readonly manager: EntityManager,
    ) {}

    @ScopedCron(YEARLY)
    run(): Promise<number> {
      return this.notes.count();
    }
  }
  const again = (): DynamicModule => ({
    module: SyncModule,
    imports: [ScopedTypeOrmModule.forFeature([Note])],
    providers: [Counting],
  });
  const test = await startApp({ imports: [sqliteRoot(), again(), again()] });
  expect(infos(test)).toHaveLength(1);
  expect(await test.registry.run('Counting.run')).toMatchObject({ value: 0 });
});

describe('Two modules that provide one worker', () => {
  @Injectable()
  class Client {
    constructor(@Inject(TENANT) readonly tenant: string) {}
  }
  @ScopedWorker()
  class Deep {
    constructor(readonly client: Client) {}

    @ScopedCron('0 * * * * *')
    run(): void {
      ran.push(this.client.tenant);
    }
  }
  const provide = (useValue: string): Provider[] => [Deep, Client, { provide: TENANT, useValue }];
  @Module({ providers: provide('acme') })
  class First {}
  @Module({ providers: provide('acme') })
  class Second {}
  @Module({ providers: provide('globex') })
  class Other {}
  class Key {}
  @Module({ providers: [Deep, Client, { provide: TENANT, useFactory: () => new Key() }] })
  class Made {}
  @Module({ providers: [Deep, Client, { provide: TENANT, useFactory: () => new Key() }] })
  class MadeAgain {}

  it.each<[string, ModuleMetadata]>([
    ['they have the same dependencies for it', { imports: [First, Second] }],
    ['it is unknown whether they do', { imports: [Made, MadeAgain] }],
  ])('[D24] run it once when %s', async (_what, metadata) => {
    const test = await startApp(metadata);
    expect(infos(test)).toEqual([
      expect.stringMatching(/^\[SW103\] Deep is provided in .*, .*\. Its/),
    ]);
    await advance(60_000);
    expect(ran).toHaveLength(1);
  });

  it('[D24] run it once when it has several enhancers', async () => {
    @Injectable()
    class Log {
      intercept(_context: unknown, next: CallHandler): unknown {
        return next.handle();
      }
    }
    @ScopedWorker()
    class Logged {
      @ScopedCron('0 * * * * *')
      @UseInterceptors(Log)
      run(): void {
        ran.push('logged');
      }

      @ScopedCron(YEARLY)
      @UseInterceptors(Log)
      close(): void {}
    }
    @Module({ providers: [Logged] })
    class One {}
    @Module({ providers: [Logged] })
    class Another {}
    await startApp({ imports: [One, Another] });
    await advance(60_000);
    expect(ran).toEqual(['logged']);
  });

  it('[XD1] must name it when only one has what is optional', async () => {
    @ScopedWorker()
    class Sending {
      constructor(@Optional() @Inject(TENANT) readonly tenant?: string) {}

      @ScopedCron(YEARLY)
      run(): void {}
    }
    @Module({ providers: [Sending] })
    class Without {}
    @Module({ providers: [Sending, { provide: TENANT, useValue: 'acme' }] })
    class With {}
    const text =
      'provide Sending with different dependencies (TENANT), so each of these workers has to run.';
    expect((await refusal({ imports: [Without, With] })).message).toContain(text);
    expect((await refusal({ imports: [With, Without] })).message).toContain(text);
  });

  it('[XD1] must name it when they supply different ones', async () => {
    const error = await refusal({ imports: [First, Other] });
    expect(error.message).toContain(
      'First and Other provide Deep with different dependencies (TENANT), so each of these workers has to run.',
    );
  });
});

describe('A name that providers supply', () => {
  const refused = async (name: unknown, ...providers: Provider[]): Promise<string> => {
    @ScopedWorker()
    class Job {
      @ScopedCron(YEARLY, { name: name as never })
      run(): void {}
    }
    const error = await refusal({ providers: [Job, ...providers] });
    expect(error).toBeInstanceOf(InvalidScheduleError);
    expect((error as InvalidScheduleError).problems).toHaveLength(1);
    return error.message;
  };

  it.each<[string, unknown, string]>([
    [
      'is not a string',
      { useFactory: () => undefined },
      'the name of @ScopedCron must be a string, not undefined.',
    ],
    ['is empty', { useFactory: () => ' ' }, 'must not be empty'],
    [
      'comes from what nobody provides',
      { inject: ['NOBODY'], useFactory: () => 'x' },
      'the name of @ScopedCron names NOBODY, which no module provides.',
    ],
    ['has no function', { useFactory: 'x' }, 'name must be { inject, useFactory } with a function'],
    [
      'throws',
      {
        useFactory: () => {
          throw new Error('no tenant');
        },
      },
      'has a useFactory that threw: no tenant',
    ],
  ])('[C13] stops start-up when it %s', async (_what, name, words) => {
    const message = await refused(name);
    expect(message).toMatch(/^Job\.run: /);
    expect(message).toContain(words);
  });

  it('[XC10] clashes with another one', async () => {
    @ScopedWorker()
    class Job {
      @ScopedCron(YEARLY, { name: { useFactory: () => 'nightly' } })
      one(): void {}

      @ScopedCron(YEARLY, { name: 'nightly' })
      two(): void {}
    }
    expect((await refusal({ providers: [Job] })).message).toBe(
      `Job.two: its schedule "nightly" has the same name as a schedule of Job.one. Rename one of them: { name: '...' }.`,
    );
  });

  describe('of two classes with one name', () => {
    const job = (): Type => {
      @ScopedWorker()
      class Job {
        @ScopedCron(YEARLY)
        run(): void {}
      }
      return Job;
    };
    @Module({ providers: [job()] })
    class MailModule {}
    @Module({ providers: [job()] })
    class BillingModule {}

    it('[XC10] clashes, and the error distinguishes them by their modules', async () => {
      expect((await refusal({ imports: [MailModule, BillingModule] })).message).toBe(
        `Job.run in BillingModule: its schedule "Job.run" has the same name as a schedule of Job.run in MailModule, which is a different class. Rename one of them: { name: '...' }.`,
      );
    });

    it('[XC10] clashes in one module as well', async () => {
      @Module({ providers: [job(), job()] })
      class OneModule {}
      expect((await refusal({ imports: [OneModule] })).message).toBe(
        `Job.run in OneModule: its schedule "Job.run" has the same name as a schedule of Job.run in OneModule, which is a different class. Rename one of them: { name: '...' }.`,
      );
    });
  });

  it('[XD1] two workers whose factories differ are found by the inspector in preview mode, too', async () => {
    class Client {
      constructor(readonly url: string) {}
    }
    @ScopedWorker()
    class Job {
      constructor(@Inject('CLIENT') readonly client: Client) {}

      @ScopedCron('@daily')
      run(): void {}
    }
    const register = (url: string): DynamicModule => ({
      module: SyncModule,
      providers: [Job, { provide: 'CLIENT', useFactory: () => new Client(url) }],
    });
    @Module({ imports: [ScopedWorkerModule.forRoot(), register('a'), register('b')] })
    class App {}
    const app = await NestFactory.createApplicationContext(App, { preview: true, logger: false });
    expect(inspectScopes(app).findings.map(({ number }) => number)).toContain('SW003');
  });

  it('is not asked for by the inspector, which says so', async () => {
    let calls = 0;
    @ScopedWorker()
    class Job {
      constructor(@Inject(TENANT) readonly tenant: string) {}

      @ScopedCron('@daily', {
        name: { inject: [TENANT], useFactory: (tenant: string) => `${(calls += 1)} ${tenant}` },
      })
      run(): void {}
    }
    const { app } = await compileApp({
      imports: ['acme', 'globex'].map((tenant) => SyncModule.for(tenant, Job)),
      options: { overrides: { '1 acme': { disabled: true } } },
    });
    const { schedules, findings } = inspectScopes(app);
    expect(calls).toBe(0);
    expect(schedules.map(({ name, due }) => [name, due])).toEqual([
      ['Job.run (named at start-up)', '@daily'],
      ['Job.run (named at start-up)', '@daily'],
    ]);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    await app.init();
    expect(inspectScopes(app).schedules.map(({ name }) => name)).toEqual(['1 acme', '2 globex']);
  });
});

describe('A background worker that several modules provide', () => {
  @Injectable()
  class Loop extends BackgroundWorker {
    constructor(@Inject(TENANT) readonly tenant: string) {
      super();
    }

    async execute(stopping: AbortSignal): Promise<void> {
      ran.push(this.tenant);
      await heard(stopping);
    }
  }
  @Injectable()
  class NamedLoop extends Loop {
    override readonly name = `loop of ${this.tenant}`;
  }
  const start = async (metadata: ModuleMetadata): Promise<string | undefined> => {
    const { log } = await startApp(metadata);
    await begin();
    return log.of('log').find((message) => /background workers?: /.test(message));
  };
  const pair = (loop: typeof Loop, ...tenants: string[]): DynamicModule[] =>
    tenants.map((tenant) => SyncModule.for(tenant, loop));

  it('[XD1] each runs, numbered, when they have different dependencies for it', async () => {
    expect(await start({ imports: pair(Loop, 'acme', 'globex') })).toBe(
      '2 background workers: Loop, Loop#2',
    );
    expect(ran.sort()).toEqual(['acme', 'globex']);
  });

  it('[XD1] each has the name that it chooses itself', async () => {
    expect(await start({ imports: pair(NamedLoop, 'acme', 'globex') })).toBe(
      '2 background workers: loop of acme, loop of globex',
    );
  });

  it('[D24] it runs once when they have the same for it', async () => {
    expect(await start({ imports: pair(Loop, 'acme', 'acme') })).toBe('1 background worker: Loop');
    expect(ran).toEqual(['acme']);
  });

  describe('and that a factory passes through', () => {
    const handsOn: Provider = {
      provide: 'handed on',
      inject: [Loop],
      useFactory: (it: Loop) => it,
    };
    const own = (tenant: string): Provider[] => [Loop, { provide: TENANT, useValue: tenant }];
    @Module({ providers: own('acme'), exports: [Loop] })
    class First {}
    @Module({ providers: own('acme'), exports: [Loop] })
    class Second {}
    @Module({ providers: own('globex'), exports: [Loop] })
    class Other {}
    @Module({ imports: [First], providers: [handsOn] })
    class HandsOnFirst {}
    @Module({ imports: [Second], providers: [handsOn] })
    class HandsOnSecond {}
    @Module({ imports: [Other], providers: [handsOn] })
    class HandsOnOther {}

    it.each<[string, ModuleMetadata, string[]]>([
      ['the first', { imports: [HandsOnFirst, First, Second] }, ['acme']],
      ['the second', { imports: [First, HandsOnSecond, Second] }, ['acme']],
      ['the second, before all', { imports: [HandsOnSecond, First] }, ['acme']],
      ['that of another tenant', { imports: [First, HandsOnOther] }, ['acme', 'globex']],
    ])('[D24] each instance runs at most once: %s', async (_what, metadata, expected) => {
      await start(metadata);
      expect(ran.sort()).toEqual(expected);
    });
  });
});
