import {
  Inject,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type ModuleMetadata,
  type FactoryProvider,
  type Provider,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  BackgroundWorker,
  InvalidOptionsError,
  ProviderScopeFactory,
  ScopedCron,
  ScopedWorker,
  ScopeValidationError,
  type BackgroundFailurePolicy,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp, type TestApp, type TestAppOptions } from '../support/app.js';
import { begin, heard } from '../support/background.js';
import { refusal } from '../support/refusal.js';

const ran: string[] = [];

@Injectable()
class Sync extends BackgroundWorker {
  readonly label: string = 'Sync';

  async execute(stopping: AbortSignal): Promise<void> {
    ran.push(this.label);
    await heard(stopping);
  }
}

class Labeled extends Sync {
  constructor(override readonly label: string) {
    super();
  }
}

@Module({ providers: [Sync] })
class First {}

@Module({ providers: [Sync], exports: [Sync] })
class Second {}

@Module({ imports: [First, Second] })
class Third {}

@Module({})
class Dynamic {
  static register(id: string): DynamicModule {
    return { module: Dynamic, providers: [Sync, { provide: 'id', useValue: id }] };
  }
}

class Unreadable extends Sync {}
Object.defineProperty(Unreadable.prototype, 'name', {
  get() {
    throw new Error('not constructed');
  },
});

const byFactory = (provide: string | symbol | typeof Sync, label: string): FactoryProvider => ({
  provide,
  useFactory: () => new Labeled(label),
});

async function start(options: TestAppOptions) {
  const test = await startApp(options);
  await begin();
  return test;
}

/** Warnings about `Sync`; another class of this file is one that the start-up check misses. */
const ofSync = ({ log }: TestApp): string[] =>
  log.of('log').filter((message) => message.includes('] Sync '));

describe('The provision of a background worker', () => {
  appsOnFakeClock();
  beforeEach(() => void (ran.length = 0));

  describe('when something is there twice', () => {
    const value = new Labeled('value');
    const shared = byFactory('shared', 'shared');
    @Module({ providers: [shared] })
    class SharedA {}
    @Module({ providers: [shared] })
    class SharedB {}

    it.each<[string, ModuleMetadata, string[]]>([
      ['a class that two modules provide', { imports: [First, Second] }, ['Sync']],
      ['a module that is imported twice', { imports: [First, Third, Second] }, ['Sync']],
      [
        'a dynamic module registered twice',
        { imports: ['a', 'b'].map(Dynamic.register) },
        ['Sync'],
      ],
      [
        'a class under two tokens',
        { providers: [Sync, { provide: 'x', useClass: Sync }] },
        ['Sync'],
      ],
      ['an alias', { providers: [Sync, { provide: 'x', useExisting: Sync }] }, ['Sync']],
      [
        'a factory that returns the instance that it injects',
        { providers: [Sync, { provide: 'x', inject: [Sync], useFactory: (sync: Sync) => sync }] },
        ['Sync'],
      ],
      [
        'a value under two tokens',
        {
          providers: [
            { provide: 'a', useValue: value },
            { provide: 'b', useValue: value },
          ],
        },
        ['value'],
      ],
      ['one factory in two modules', { imports: [SharedA, SharedB] }, ['shared']],
    ])('[D24] it runs once: %s', async (_what, metadata, expected) => {
      await start(metadata);
      expect(ran).toEqual(expected);
    });

    it.each<[string, ModuleMetadata, string[]]>([
      [
        'factories under different tokens',
        { providers: [byFactory('a', 'one'), byFactory('b', 'two')] },
        ['one', 'two'],
      ],
      [
        'one factory under different tokens',
        {
          providers: ['a', 'b'].map((provide) => ({ ...shared, provide })),
        },
        ['shared', 'shared'],
      ],
      [
        'values under different tokens',
        {
          providers: [
            { provide: 'a', useValue: value },
            { provide: 'b', useValue: new Labeled('other') },
          ],
        },
        ['value', 'other'],
      ],
      [
        'a class and one that extends it',
        { providers: [Sync, byFactory('b', 'sub')] },
        ['Sync', 'sub'],
      ],
    ])('[D24] each runs: %s', async (_what, metadata, expected) => {
      await start(metadata);
      expect(ran.sort()).toEqual(expected.sort());
    });

    it('[D24] says where it is left out, and says nothing when it is provided once', async () => {
      const twice = await start({ imports: [First, Second] });
      expect(ofSync(twice)).toEqual([
        '[SW103] Sync is provided 2 times, in First, Second. Only the first instance, in First, runs. Provide it in one module.',
      ]);
      const once = await start({ imports: [First], options: { scopeValidation: 'strict' } });
      expect(ofSync(once)).toEqual([]);
      const allowFindings = [{ finding: 'SW103', token: Sync, reason: 'one for each region' }];
      expect(ofSync(await start({ imports: [First, Second], options: { allowFindings } }))).toEqual(
        [],
      );
    });

    it('[D24] it runs once in each of two applications of one process', async () => {
      await start({ imports: [First] });
      await start({ imports: [First] });
      expect(ran).toEqual(['Sync', 'Sync']);
    });
  });

  describe('however it is provided', () => {
    it.each<[string, ModuleMetadata, string[]]>([
      ['a class', { providers: [Sync] }, ['Sync']],
      ['useClass', { providers: [{ provide: 'x', useClass: Sync }] }, ['Sync']],
      ['useFactory', { providers: [byFactory('x', 'made')] }, ['made']],
      [
        'an async factory',
        { providers: [{ provide: 'x', useFactory: async () => new Labeled('async') }] },
        ['async'],
      ],
      ['useValue', { providers: [{ provide: 'x', useValue: new Labeled('value') }] }, ['value']],
      ['a module that another one imports', { imports: [Third] }, ['Sync']],
      ['a dynamic module', { imports: [Dynamic.register('a')] }, ['Sync']],
    ])('is found and runs: %s', async (_what, metadata, expected) => {
      await start(metadata);
      expect(ran).toEqual(expected);
    });

    it('not when a test has replaced it, unless by another one', async () => {
      await start({
        imports: [First, Second],
        build: (builder) => builder.overrideProvider(Sync).useValue({ execute: () => undefined }),
      });
      expect(ran).toEqual([]);
      await start({
        imports: [First, Second],
        build: (builder) => builder.overrideProvider(Sync).useValue(new Labeled('fake')),
      });
      expect(ran).toEqual(['fake']);
    });

    it('a provider that does not like to be looked at does no harm', async () => {
      const shy = new Proxy(
        {},
        {
          get: (_target, key) => {
            if (typeof key === 'symbol') throw new Error(`who asks for ${String(key)}?`);
            return undefined;
          },
        },
      );
      await start({ providers: [Sync, { provide: 'shy', useFactory: () => shy }] });
      expect(ran).toEqual(['Sync']);
    });
  });

  describe('its name', () => {
    const namesOf = async (metadata: TestAppOptions): Promise<readonly string[]> => {
      const { app, next } = await start(metadata);
      const started = next('shutdown:started');
      await app.close();
      return (await started).waitingFor;
    };
    const symbol = Symbol('orders');

    it.each<[string, Provider[], string[]]>([
      ['is that of the class', [byFactory('x', 'made')], ['Labeled.execute']],
      [
        'is that of the token when factories return one class twice',
        [byFactory('a', ''), byFactory(symbol, ''), byFactory(Sync, '')],
        ['a.execute', 'orders.execute', 'Sync.execute'],
      ],
      [
        'is that of the class for the class itself, no matter what factories return',
        [Sync, { provide: 'x', useFactory: () => new Sync() }],
        ['Sync.execute', 'x.execute'],
      ],
      [
        'is numbered when two classes have one name',
        [
          Sync,
          ...[0].map(() => Object.defineProperty(class extends Sync {}, 'name', { value: 'Sync' })),
        ],
        ['Sync.execute', 'Sync#2.execute'],
      ],
      ['is that of the class if its own cannot be read', [Unreadable], ['Unreadable.execute']],
    ])('%s', async (_what, providers, expected) => {
      expect(await namesOf({ providers })).toEqual(expected);
    });
  });

  describe('when it does not live as long as the application', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Tenant {}
    @Injectable()
    class Orders {
      constructor(readonly tenant: Tenant) {}
    }
    @Injectable()
    class Plain {}

    @Injectable({ scope: Scope.REQUEST })
    class RequestScoped extends Sync {}
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Durable extends Sync {}
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Sync {}
    @ScopedWorker()
    class Marked extends Sync {}
    @Injectable()
    class Indirect extends Sync {
      constructor(readonly orders: Orders) {
        super();
      }
    }
    @Injectable()
    class ByProperty extends Sync {
      @Inject(Tenant) readonly tenant!: Tenant;
    }
    @Injectable()
    class ByRequest extends Sync {
      constructor(@Inject(REQUEST) readonly request: unknown) {
        super();
      }
    }
    const INSTEAD = 'in this.scopes.run(async (scope) => { ... }).';

    it.each<[string, Provider[], string]>([
      [
        'request-scoped by itself',
        [RequestScoped],
        `RequestScoped is a BackgroundWorker, but it is request-scoped. No instance of it lives as long as the application, so it would never run. Make it a singleton, and inject ProviderScopeFactory as scopes. In each iteration, resolve what it needs ${INSTEAD}`,
      ],
      ['durable', [Durable], 'Durable is a BackgroundWorker, but it is request-scoped. '],
      ['transient', [Transient], 'Transient is a BackgroundWorker, but it is transient. '],
      [
        'a @ScopedWorker() too',
        [Marked],
        'Marked is a BackgroundWorker, but @ScopedWorker() makes it request-scoped. No instance of it lives as long as the application, so it would never run. Mark it @Injectable() only, and inject ProviderScopeFactory as scopes. In each iteration, resolve what it needs',
      ],
      [
        'request-scoped by what it injects',
        [Indirect, Orders, Tenant],
        `Indirect is a BackgroundWorker, but its dependency Orders -> Tenant makes it request-scoped. No instance of it lives as long as the application, so it would never run. Instead of Orders, inject ProviderScopeFactory as scopes. In each iteration, resolve Orders ${INSTEAD}`,
      ],
      ['request-scoped by a property', [ByProperty, Tenant], 'its dependency Tenant makes it'],
      [
        'request-scoped by REQUEST',
        [ByRequest],
        `ByRequest is a BackgroundWorker, but its dependency REQUEST makes it request-scoped. No instance of it lives as long as the application, so it would never run. A loop has neither a request nor a tick, so remove REQUEST and inject ProviderScopeFactory as scopes. In each iteration, resolve what it needs ${INSTEAD}`,
      ],
      [
        'given by a request-scoped factory under its class',
        [{ provide: Sync, scope: Scope.REQUEST, useFactory: () => new Sync() }],
        'Sync is a BackgroundWorker, but it is request-scoped',
      ],
      [
        'given by a factory that injects something request-scoped',
        [{ provide: Sync, inject: [Orders], useFactory: () => new Sync() }, Orders, Tenant],
        'its dependency Orders -> Tenant makes it request-scoped',
      ],
    ])('start-up is refused: %s', async (_what, providers, text) => {
      const error = await refusal({ providers });
      expect(error).toBeInstanceOf(ScopeValidationError);
      const { findings } = error as ScopeValidationError;
      expect(findings).toMatchObject([{ kind: 'background-worker-scoped', severity: 'error' }]);
      expect(findings[0]!.message).toContain(text);
      expect(ran).toEqual([]);
    });

    it('a schedule on it is refused with a remedy that is not refused in turn', async () => {
      @Injectable()
      class Hourly extends Sync {
        @ScopedCron('@hourly')
        tidy(): void {}
      }
      const error = await refusal({ providers: [Hourly] });
      expect(error).toMatchObject({
        problems: [
          'Hourly.tidy: @ScopedCron needs a worker, but Hourly is a BackgroundWorker. Move the method to a provider marked @ScopedWorker().',
        ],
      });
    });

    it.each<[string, Provider[]]>([
      ['it injects singletons and ProviderScopeFactory', [Sync, Plain]],
      ['it is provided next to what is request-scoped', [Sync, Orders, Tenant]],
      [
        'it injects a transient',
        [
          Plain,
          { provide: 'part', scope: Scope.TRANSIENT, useFactory: () => ({}) },
          { provide: Sync, inject: ['part', ProviderScopeFactory], useFactory: () => new Sync() },
        ],
      ],
    ])('start-up goes on, under strict validation too: %s', async (_what, providers) => {
      const test = await start({ providers, options: { scopeValidation: 'strict' } });
      expect(ran).toEqual(['Sync']);
      expect(ofSync(test)).toEqual([]);
    });

    it("is only logged with scopeValidation: 'warn', and does not run", async () => {
      const { log } = await start({
        providers: [RequestScoped, Sync],
        options: { scopeValidation: 'warn' },
      });
      expect(ran).toEqual(['Sync']);
      expect(log.of('warn')).toContainEqual(
        expect.stringMatching(/^\[SW105\] RequestScoped is a Backgr/),
      );
    });

    it('is reported once, however many modules and names it has', async () => {
      @Module({ providers: [RequestScoped] })
      class Another {}
      const alias = { provide: Sync, useExisting: RequestScoped };
      const error = await refusal({ providers: [alias, RequestScoped], imports: [Another] });
      expect((error as ScopeValidationError).findings).toHaveLength(1);
    });
  });

  describe('its onFailure', () => {
    const withPolicy = (policy: unknown): BackgroundWorker => {
      class Policy extends Sync {
        override readonly onFailure = policy as BackgroundFailurePolicy;
      }
      return new Policy();
    };

    it.each(['continue', undefined, 5])('[C13] %p is refused', async (policy) => {
      const error = await refusal({
        providers: [{ provide: 'x', useValue: withPolicy(policy) }],
      });
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.message).toMatch(
        /^Policy: onFailure must be one of 'restart', 'stop-app', 'ignore', not .+\.$/,
      );
    });

    it.each(['restart', 'stop-app', 'ignore'])('[C13] %p is taken', async (policy) => {
      await start({ providers: [{ provide: 'x', useValue: withPolicy(policy) }] });
      expect(ran).toEqual(['Sync']);
    });
  });
});
