import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  forwardRef,
  Global,
  Injectable,
  Module,
  Scope,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerRegistry,
  type FromProviders,
  type HandlerOptions,
  type ScheduleOverride,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp, type TestApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { turn } from '../support/gate.js';
import { at } from '../support/interval-app.js';
import { lateRefusal, refusal } from '../support/refusal.js';

appsOnFakeClock();

/** As the service of `@nestjs/config`: a singleton that is read by key. */
@Injectable()
class ConfigService {
  readonly #values: Readonly<Record<string, unknown>> = {
    CRON: '*/2 * * * * *',
    EVERY_MS: 1_500,
    OFF: '-',
  };

  get<T>(key: string): T {
    return this.#values[key] as T;
  }
}

interface Timed {
  readonly cron?: FromProviders<never>;
  readonly interval?: FromProviders<never>;
  readonly options?: HandlerOptions;
  readonly providers?: Provider[];
  readonly overrides?: Record<string, ScheduleOverride>;
}

function jobs({ cron, interval, options }: Timed, due: string[] = []) {
  const run = ({ scheduledAt }: Tick): void => void due.push(scheduledAt.toISOString());
  @ScopedWorker()
  class Jobs {
    run(tick: Tick): void {
      run(tick);
    }
  }
  const decorator =
    cron === undefined ? ScopedInterval(interval!, options) : ScopedCron(cron, options);
  decorator(Jobs.prototype, 'run', Object.getOwnPropertyDescriptor(Jobs.prototype, 'run')!);
  return Jobs;
}

/** An application with `Jobs.run`, whose timing providers supply. */
async function timed(given: Timed): Promise<TestApp & { readonly due: string[] }> {
  const due: string[] = [];
  const { providers = [], overrides = {} } = given;
  const test = await startApp({
    providers: [jobs(given, due), ConfigService, ...providers],
    options: { overrides },
  });
  return { ...test, due };
}

/** The sentence with which start-up is refused: for what is written, or for what providers say. */
async function refused(given: Timed, refuse = refusal): Promise<string> {
  const { providers = [], overrides = {} } = given;
  const error = await refuse({
    providers: [jobs(given), ConfigService, ...providers],
    options: { overrides },
  });
  expect(error.code).toBe('INVALID_SCHEDULE');
  expect((error as { problems?: string[] }).problems).toHaveLength(1);
  return error.message;
}

describe('A timing that providers supply', () => {
  it('is the cron expression that a service of configuration knows', async () => {
    const { due, registry } = await timed({
      cron: {
        inject: [ConfigService],
        useFactory: (config: ConfigService) => config.get<never>('CRON'),
      },
    });
    expect(registry.get('Jobs.run')).toMatchObject({
      kind: 'cron',
      expression: '*/2 * * * * *',
      state: 'active',
      nextRun: new Date(afterNoon(2_000)),
    });
    await advance(4_000);
    expect(due).toEqual(at(2_000, 4_000));
  });

  it('is the period that a service of configuration knows', async () => {
    const { due, registry } = await timed({
      interval: {
        inject: [ConfigService],
        useFactory: (config: ConfigService) => config.get<never>('EVERY_MS'),
      },
    });
    expect(registry.get('Jobs.run')).toMatchObject({ kind: 'interval', everyMs: 1_500 });
    await advance(3_000);
    expect(due).toEqual(at(1_500, 3_000));
  });

  it('is the delay of a timeout', async () => {
    const due: string[] = [];
    @ScopedWorker()
    class Jobs {
      @ScopedTimeout({
        inject: [ConfigService],
        useFactory: (config: ConfigService) => config.get<number>('EVERY_MS'),
      })
      warmUp({ scheduledAt }: Tick): void {
        due.push(scheduledAt.toISOString());
      }

      @ScopedTimeout({ useFactory: () => '-' })
      off(): void {}
    }
    const { registry } = await startApp({ providers: [Jobs, ConfigService] });
    expect(registry.get('Jobs.warmUp')).toMatchObject({ kind: 'timeout', everyMs: 1_500 });
    expect(registry.get('Jobs.off')).toMatchObject({ kind: 'timeout', state: 'disabled' });
    await advance(4_000);
    expect(due).toEqual(at(1_500));
  });

  it('[XC11] of a timeout is refused if it cannot work', async () => {
    @ScopedWorker()
    class Jobs {
      @ScopedTimeout({ useFactory: () => -1 })
      warmUp(): void {}
    }
    const { message } = await lateRefusal({ providers: [Jobs] });
    expect(message).toMatch(/^Jobs\.warmUp: the delay of @ScopedTimeout must be .*, not -1\.$/);
  });

  it('is awaited, and asked for once', async () => {
    let calls = 0;
    const { due } = await timed({
      interval: {
        useFactory: async () => {
          calls += 1;
          await turn();
          return 1_000 as never;
        },
      },
    });
    await advance(3_000);
    expect([due, calls]).toEqual([at(1_000, 2_000, 3_000), 1]);
  });

  it('is asked for with all that inject names, in its order', async () => {
    const { registry } = await timed({
      cron: {
        inject: ['seconds', ConfigService, SYMBOL],
        useFactory: (...injected: unknown[]) => {
          expect(injected).toEqual(['*/7', expect.any(ConfigService), '* * * * *']);
          return [injected[0], injected[2]].join(' ') as never;
        },
      },
      providers: [
        { provide: 'seconds', useValue: '*/7' },
        { provide: SYMBOL, useFactory: async () => '* * * * *' },
      ],
    });
    expect(registry.get('Jobs.run').expression).toBe('*/7 * * * * *');
  });

  it('follows the other options, its zone among them', async () => {
    const { registry } = await timed({
      cron: { useFactory: () => '0 30 14 * * *' as never },
      options: { timeZone: 'Europe/Berlin', name: 'nightly' },
    });
    expect(registry.get('nightly').nextRun).toEqual(new Date('2026-01-15T13:30:00Z'));
  });

  it('[D23] is asked for after onModuleInit of every module, and before any onApplicationBootstrap', async () => {
    const order: string[] = [];
    @Injectable()
    class Settings implements OnModuleInit {
      constructor() {
        order.push('built');
      }

      async onModuleInit(): Promise<void> {
        await turn();
        order.push('initialized');
      }

      onApplicationBootstrap(): void {
        order.push('bootstrapped');
      }
    }
    await timed({
      interval: {
        inject: [Settings],
        useFactory: () => {
          order.push('asked');
          return 1_000 as never;
        },
      },
      providers: [Settings],
    });
    expect(order).toEqual(['built', 'initialized', 'asked', 'bootstrapped']);
  });

  it('[XC11] is asked for as well when the schedule is disabled', async () => {
    const { due, registry } = await timed({
      interval: { useFactory: () => 1_000 as never },
      options: { disabled: true },
    });
    expect(registry.get('Jobs.run')).toMatchObject({ state: 'disabled', everyMs: 1_000 });
    await advance(2_000);
    expect(due).toEqual([]);
  });

  describe("when it is '-'", () => {
    it.each<[string, Timed, string]>([
      ['a cron', { cron: { useFactory: () => '-' as never } }, 'cron'],
      ['an interval', { interval: { useFactory: () => '-' as never } }, 'interval'],
      ['a promise of it', { interval: { useFactory: async () => '-' as never } }, 'interval'],
    ])('[C17] switches the schedule off, which is listed: %s', async (_, given, kind) => {
      const { due, registry, log } = await timed(given);
      expect(registry.get('Jobs.run')).toMatchObject({
        kind,
        state: 'disabled',
        nextRun: undefined,
        everyMs: undefined,
      });
      await advance(60_000);
      expect(due).toEqual([]);
      expect(log.of('error')).toEqual([]);
      expect((await registry.run('Jobs.run')).outcome).toBe('succeeded');
    });

    it('[C17] [XF3] can be switched on at run time', async () => {
      const { due, registry } = await timed({ interval: { useFactory: () => '-' as never } });
      registry.reschedule('Jobs.run', { everyMs: 1_000 });
      await advance(2_000);
      expect(due).toEqual(at(1_000, 2_000));
    });

    it('[C17] a period that is written down cannot be', async () => {
      @ScopedWorker()
      class Jobs {
        @ScopedInterval('-' as never)
        run(): void {}
      }
      const error = await refusal({ providers: [Jobs] });
      expect(error.message).toMatch(/^Jobs\.run: the period of @ScopedInterval must be .*"-"\.$/);
    });
  });

  describe('when an override sets it', () => {
    const never = (): never => {
      throw new Error('must not be called');
    };

    it.each<[string, Timed, object]>([
      [
        'cron',
        {
          cron: { inject: ['nobody'], useFactory: never },
          overrides: { 'Jobs.run': { cron: '* * * * * *' } },
        },
        { expression: '* * * * * *', state: 'active' },
      ],
      [
        "cron: '-'",
        { cron: { useFactory: never }, overrides: { 'Jobs.run': { cron: '-' } } },
        { expression: '-', state: 'disabled' },
      ],
      [
        'everyMs',
        { interval: { useFactory: never }, overrides: { 'Jobs.run': { everyMs: 700 } } },
        { everyMs: 700, state: 'active' },
      ],
    ])('the override wins, and the factory is not called: %s', async (_, given, expected) => {
      const { registry } = await timed(given);
      expect(registry.get('Jobs.run')).toMatchObject(expected);
    });

    it('an override of other options leaves it to the factory', async () => {
      const { registry } = await timed({
        interval: { useFactory: () => 900 as never },
        overrides: { 'Jobs.run': { timeoutMs: 100 } },
      });
      expect(registry.get('Jobs.run').everyMs).toBe(900);
    });
  });

  describe('when it cannot work', () => {
    const cron = (result: () => unknown): Timed => ({ cron: { useFactory: result as never } });
    const interval = (result: () => unknown): Timed => ({
      interval: { useFactory: result as never },
    });

    it.each<[string, Timed, string]>([
      ['nothing', cron(() => undefined), 'must be a string, not undefined'],
      ['a promise of nothing', cron(async () => undefined), 'must be a string, not undefined'],
      ['null', cron(() => null), 'must be a string, not null'],
      ['a number', cron(() => 5), 'must be a string, not 5'],
      ['an object', cron(() => ({ cron: '* * * * * *' })), 'must be a string, not an object'],
      ['a bad expression', cron(() => 'hourly'), 'cannot be read: "hourly"'],
      ['an empty expression', cron(() => ''), 'cannot be read: ""'],
      ['nothing', interval(() => undefined), 'a number of milliseconds'],
      ['the text of a number', interval(() => '1000'), 'not "1000"'],
      ['0', interval(() => 0), 'not 0'],
      ['NaN', interval(() => Number(undefined)), 'not NaN'],
    ])(
      '[XC11] a factory that returns %s stops start-up, naming the handler',
      async (_, given, words) => {
        const message = await refused(given, lateRefusal);
        const decorator = given.cron === undefined ? 'period of @ScopedInterval' : 'cron';
        expect(message).toMatch(/^Jobs\.run: the .* \S.*\.$/);
        expect(message).toContain(decorator);
        expect(message).toContain(words);
      },
    );

    it.each<[string, () => unknown]>([
      [
        'throws',
        () => {
          throw new Error('no CRON in the environment');
        },
      ],
      ['rejects', () => Promise.reject(new Error('no CRON in the environment'))],
    ])(
      '[XC11] a factory that %s stops start-up, with its error and its place',
      async (_, factory) => {
        expect(await refused(cron(factory), lateRefusal)).toMatch(
          /^Jobs\.run: the cron expression of @ScopedCron has a useFactory that threw: no CRON in the environment \(.*provided-timing\.spec\.ts:\d+:\d+\)?\)\.$/,
        );
      },
    );

    it.each<[string, unknown]>([
      ['nothing', undefined],
      ['a string', 'oops'],
      ['an object without a text', Object.create(null)],
    ])('[XC11] a factory may throw %s', async (_, thrown) => {
      const message = await refused(
        cron(() => Promise.reject(thrown as Error)),
        lateRefusal,
      );
      expect(message).toMatch(/has a useFactory that threw: .+\(no stack\)\.$/);
    });

    it.each<[string, unknown, string]>([
      [
        'useFactory other than a function',
        { useFactory: '* * * * * *' },
        'with a function as useFactory',
      ],
      [
        'inject other than a list',
        { inject: ConfigService, useFactory: () => '-' },
        'must have a list of tokens as inject',
      ],
      [
        'an undefined token, as a circle of imports leaves it',
        { inject: [ConfigService, undefined], useFactory: () => '-' },
        'has no token at inject[1]: look for a circular import',
      ],
      ['no useFactory', { inject: [ConfigService] }, 'must be a string, not an object'],
    ])('[XC11] %s stops start-up', async (_, given, words) => {
      expect(await refused({ cron: given as never })).toContain(words);
    });

    it('[XC11] so does forwardRef() of what is still undefined; of a token it is that token', async () => {
      const cron = (token: unknown): Timed => ({
        cron: {
          inject: [forwardRef(() => token)],
          useFactory: (config: ConfigService) => config.get<never>('CRON'),
        },
      });
      expect(await refused(cron(undefined))).toBe(
        'Jobs.run: the cron expression of @ScopedCron has no token at inject[0]: look for a circular import.',
      );
      const { registry } = await timed(cron(ConfigService));
      expect(registry.get('Jobs.run').expression).toBe('*/2 * * * * *');
    });

    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    @Injectable({ scope: Scope.TRANSIENT })
    class PerUse {}
    @Injectable()
    class Bubbled {
      constructor(readonly perRequest: PerRequest) {}
    }
    class Nobody {}

    const NOBODY = 'no module provides. Provide it in a module';
    const NO_SINGLETON =
      'is not a singleton, because it or one of its dependencies has a scope. Remove that scope';

    it.each<[string, unknown, string, string]>([
      ['an unknown class', Nobody, 'Nobody', NOBODY],
      ['an unknown string', 'NOBODY', 'NOBODY', NOBODY],
      ['an unknown symbol', Symbol('nobody'), 'Symbol(nobody)', NOBODY],
      ['a request-scoped provider', PerRequest, 'PerRequest', NO_SINGLETON],
      ['a transient provider', PerUse, 'PerUse', NO_SINGLETON],
      ['what became request-scoped by a dependency', Bubbled, 'Bubbled', NO_SINGLETON],
      ['an alias of a request-scoped one', 'ALIAS', 'ALIAS', NO_SINGLETON],
      ['an anonymous class', [class {}][0], 'a class without a name', NOBODY],
      ['an object', { token: ConfigService }, 'an object', NOBODY],
    ])('[XC11] %s stops start-up in one sentence', async (_, token, shown, problem) => {
      const message = await refused({
        cron: { inject: [ConfigService, token], useFactory: () => '-' as never },
        providers: [PerRequest, PerUse, Bubbled, { provide: 'ALIAS', useExisting: PerRequest }],
      });
      expect(message).toBe(
        `Jobs.run: the cron expression of @ScopedCron names ${shown}, which ${problem}.`,
      );
    });

    it('[XC11] an alias of a singleton, and a factory that waits, are accepted', async () => {
      const { registry } = await timed({
        cron: {
          inject: ['ALIAS', 'LATER'],
          useFactory: (alias: ConfigService, later: number) => {
            expect([alias.get('OFF'), later]).toEqual(['-', 5]);
            return '@daily' as never;
          },
        },
        providers: [
          { provide: 'ALIAS', useExisting: ConfigService },
          { provide: 'LATER', useFactory: async () => 5 },
        ],
      });
      expect(registry.get('Jobs.run').expression).toBe('@daily');
    });

    @ScopedWorker()
    class Many {
      @ScopedInterval({ useFactory: () => 0 })
      two(): void {}

      @ScopedCron({
        useFactory: () => {
          throw new Error('no');
        },
      })
      three(): void {}
    }
    const culprits = (error: unknown): string[] =>
      (error as { problems: string[] }).problems.map((problem) => problem.split(':')[0]!);

    it('[C8] [XC11] everything that providers say is said at once', async () => {
      expect(culprits(await lateRefusal({ providers: [Many] }))).toEqual([
        'Many.two',
        'Many.three',
      ]);
    });

    it('[C8] [XC11] what is written comes first, all of it, and nobody is asked', async () => {
      @ScopedWorker()
      class Written {
        @ScopedCron({ inject: ['A'], useFactory: () => '-' })
        one(): void {}

        @ScopedCron({ useFactory: () => '-' }, { timeoutMs: -1 })
        two(): void {}

        @ScopedInterval(0)
        three(): void {}
      }
      expect(culprits(await refusal({ providers: [Written, Many] }))).toEqual([
        'Written.one',
        'Written.two',
        'Written.three',
      ]);
    });
  });

  describe('when the application loads its settings in onModuleInit', () => {
    @Injectable()
    class Settings implements OnModuleInit {
      cron: string | undefined;

      async onModuleInit(): Promise<void> {
        await turn();
        this.cron = '*/10 * * * * *';
      }
    }
    let asked = 0;
    const cron = {
      inject: [Settings],
      useFactory: (settings: Settings) => {
        asked += 1;
        return settings.cron as never;
      },
    };
    beforeEach(() => {
      asked = 0;
    });

    /** Does something with the schedule in an `onModuleInit`. */
    async function during(work: (registry: ScopedWorkerRegistry) => void) {
      @Injectable()
      class Early implements OnModuleInit {
        constructor(private readonly registry: ScopedWorkerRegistry) {}

        onModuleInit(): void {
          work(this.registry);
        }
      }
      return timed({ cron, providers: [Settings, Early] });
    }

    it('is what they say', async () => {
      const { due } = await timed({ cron, providers: [Settings] });
      await advance(20_000);
      expect(due).toEqual(at(10_000, 20_000));
    });

    it('is listed before it is known', async () => {
      const seen: unknown[] = [];
      await during((registry) => seen.push(...registry.list()));
      expect(seen).toMatchObject([
        {
          name: 'Jobs.run',
          kind: 'cron',
          state: 'active',
          expression: undefined,
          nextRun: undefined,
        },
      ]);
    });

    it('keeps a pause', async () => {
      const { registry } = await during((early) => early.pause('Jobs.run'));
      expect(registry.get('Jobs.run')).toMatchObject({
        state: 'paused',
        expression: '*/10 * * * * *',
      });
    });

    it('is not asked for when it was rescheduled', async () => {
      const { registry } = await during((early) =>
        early.reschedule('Jobs.run', { cron: '@daily' }),
      );
      expect([registry.get('Jobs.run').expression, asked]).toEqual(['@daily', 0]);
    });

    it('is not asked for when it was removed', async () => {
      const { registry } = await during((early) => early.remove('Jobs.run'));
      expect([registry.list(), asked]).toEqual([[], 0]);
    });

    it('[XC10] has its name, which no other can take', async () => {
      const add = (early: ScopedWorkerRegistry): unknown =>
        early.add({ name: 'Jobs.run', handler: 'Jobs.run', everyMs: 1_000 });
      await expect(during(add)).rejects.toThrow(/the name is taken by a schedule of Jobs\.run/);
    });
  });
});

const SYMBOL = Symbol('minutes');

describe('A token of a timing', () => {
  /** A module with a worker whose cron is the value of `EVERY`. */
  function ownModule(name: string, providers: Provider[] = [], imports: Function[] = []) {
    @ScopedWorker()
    class Poller {
      @ScopedInterval({ inject: ['EVERY'], useFactory: (every: number) => every }, { name })
      poll(): void {}
    }
    @Module({ providers: [Poller, ...providers], imports: imports as never[] })
    class Own {}
    return Own;
  }

  const every = (useValue: number): Provider => ({ provide: 'EVERY', useValue });

  it('is that of the module of the worker first', async () => {
    @Module({ providers: [every(9_000)], exports: ['EVERY'] })
    class Shared {}
    const { registry } = await startApp({
      imports: [
        ownModule('one', [every(1_000)], [Shared]),
        Shared,
        ownModule('two', [every(2_000)]),
      ],
      providers: [every(8_000)],
    });
    expect(registry.list().map(({ everyMs }) => everyMs)).toEqual([1_000, 2_000]);
  });

  it('is that of a module that the module of the worker imports', async () => {
    @Module({ providers: [every(3_000)], exports: ['EVERY'] })
    class Shared {}
    const { registry } = await startApp({ imports: [ownModule('one', [], [Shared])] });
    expect(registry.get('one').everyMs).toBe(3_000);
  });

  it('is that of an imported module rather than one of any other module', async () => {
    @Module({ providers: [every(3_000)], exports: ['EVERY'] })
    class Shared {}
    @Module({ imports: [Shared], exports: [Shared] })
    class Again {}
    @Module({ providers: [every(5_000)] })
    class Hidden {}
    @Module({ providers: [every(6_000)] })
    class Elsewhere {}
    const { registry } = await startApp({
      imports: [
        ownModule('imported', [], [Hidden, Shared]),
        ownModule('exported again', [], [Again]),
        Elsewhere,
      ],
      providers: [every(7_000)],
    });
    expect(registry.list().map(({ everyMs }) => everyMs)).toEqual([3_000, 3_000]);
  });

  it('is that of a global module before one of any other', async () => {
    @Global()
    @Module({ providers: [every(3_000)], exports: ['EVERY'] })
    class Shared {}
    @Module({ providers: [every(6_000)] })
    class Elsewhere {}
    const { registry } = await startApp({ imports: [Shared, ownModule('one'), Elsewhere] });
    expect(registry.get('one').everyMs).toBe(3_000);
  });

  it('is that of any module otherwise', async () => {
    @Module({ providers: [every(4_000)] })
    class Elsewhere {}
    const { registry } = await startApp({ imports: [Elsewhere, ownModule('one')] });
    expect(registry.get('one').everyMs).toBe(4_000);
  });
});
