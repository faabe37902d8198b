import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type BeforeApplicationShutdown,
  type CallHandler,
  type CanActivate,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { EventEmitter } from 'node:events';
import {
  BackgroundWorker,
  InjectTick,
  inspectScopes,
  ProviderScopeFactory,
  ScopedCron,
  ScopedWorker,
  StaysSingleton,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { OnEvent, WebSocketGateway } from '../support/foreign-decorators.js';
import { RequestScoped, Transient, worker, YEARLY } from '../support/probes.js';
import { findingsOf, told, wordsAbout } from '../support/validation.js';

@RequestScoped()
class Tenant {}

@Injectable()
class Settings {
  constructor(readonly tenant: Tenant) {}
}

@Injectable()
class Pool implements OnModuleInit, OnModuleDestroy {
  constructor(readonly settings: Settings) {}

  onModuleInit(): void {}
  onModuleDestroy(): void {}
}

@Injectable()
class Repository {
  constructor(readonly pool: Pool) {}
}

const CHAIN = ['Worker.run', 'Repository', 'Pool', 'Settings', 'Tenant'];
const MESSAGE =
  'Pool is built again on every tick, because it depends on Tenant, which is request-scoped (Worker.run -> Repository -> Pool -> Settings -> Tenant). It declares onModuleInit and onModuleDestroy, which suggests a pool, client or cache. Nest never calls onModuleInit on request-scoped instances. Stop injecting Settings into Pool, and pass what Pool needs from it as a method argument. If this is intentional, add @Injectable({ scope: Scope.REQUEST }) to Pool.';

describe('A probable pool, client or cache', () => {
  afterEach(closeApps);

  it('is to be decorated under the name of its class, which may have another token', async () => {
    abstract class Store {}
    const store = { provide: Store, useClass: Pool };
    const [found] = await findingsOf({ providers: [Tenant, Settings, store, worker([Store])] });
    expect(found).toMatchObject({ number: 'SW202', subject: 'Store', token: Store });
    expect(found!.message).toContain('(Worker.run -> Store -> Settings -> Tenant)');
    expect(found!.message).toMatch(/add @Injectable\(\{ scope: Scope.REQUEST \}\) to Pool\.$/);
  });

  it('is named by its class where a decorator is the problem', async () => {
    @StaysSingleton()
    @Injectable()
    class Client {
      constructor(readonly tenant: Tenant) {}
    }
    const client = { provide: 'client', useClass: Client };
    const [found] = await findingsOf({ providers: [Tenant, client, worker(['client'])] });
    expect(found).toMatchObject({ number: 'SW201', subject: 'client' });
    expect(found!.message).toContain(
      'Client is marked @StaysSingleton(), but Tenant makes it request-scoped (Worker.run -> client -> Tenant).',
    );
  });

  it('is reported when a dependency has it rebuilt on every tick', async () => {
    const providers = [Tenant, Settings, Pool, Repository, worker([Repository])];
    expect(await findingsOf({ providers })).toEqual([
      {
        number: 'SW202',
        kind: 'resource-rebuilt',
        severity: 'warning',
        subject: 'Pool',
        token: Pool,
        chain: CHAIN,
        message: MESSAGE,
      },
    ]);
  });

  it('is logged once by default, and does not stop start-up', async () => {
    const providers = [Tenant, Settings, Pool, Repository, worker([Repository])];
    const test = await startApp({ providers });
    await test.registry.run('Worker.run');
    await test.registry.run('Worker.run');
    expect(told(test)).toEqual([`[SW202] ${MESSAGE}`]);
    expect(told(test, 'warn')).toHaveLength(1);
  });

  it('[C3] is the nearest to the culprit of several', async () => {
    @Injectable()
    class Cache implements OnModuleDestroy {
      constructor(readonly pool: Pool) {}

      onModuleDestroy(): void {}
    }
    const findings = await findingsOf({
      providers: [Tenant, Settings, Pool, Cache, worker([Cache])],
    });
    expect(findings.map(({ subject }) => subject)).toEqual(['Pool']);
  });

  describe('is recognized by what it has:', () => {
    @Injectable()
    class Initialized implements OnModuleInit {
      constructor(readonly tenant: Tenant) {}
      onModuleInit(): void {}
    }
    @Injectable()
    class Bootstrapped implements OnApplicationBootstrap {
      constructor(readonly tenant: Tenant) {}
      onApplicationBootstrap(): void {}
    }
    @Injectable()
    class ShutDown implements BeforeApplicationShutdown, OnApplicationShutdown {
      constructor(readonly tenant: Tenant) {}
      beforeApplicationShutdown(): void {}
      onApplicationShutdown(): void {}
    }
    @Injectable()
    class Disposable {
      constructor(readonly tenant: Tenant) {}
      [Symbol.dispose](): void {}
    }
    @Injectable()
    class AsyncDisposable {
      @Inject(Tenant) readonly tenant!: Tenant;
      async [Symbol.asyncDispose](): Promise<void> {}
    }
    class Connected implements OnModuleDestroy {
      onModuleDestroy(): void {}
    }
    @Injectable()
    class Inherited extends Connected {
      constructor(readonly tenant: Tenant) {
        super();
      }
    }

    it.each<[string, Provider, string]>([
      [
        'onModuleInit',
        Initialized,
        'It declares onModuleInit, which suggests a pool, client or cache. Nest never calls onModuleInit on request-scoped instances.',
      ],
      [
        'onApplicationBootstrap',
        Bootstrapped,
        'It declares onApplicationBootstrap, which suggests a pool, client or cache. Nest never calls onApplicationBootstrap on request-scoped instances.',
      ],
      [
        'shutdown hooks',
        ShutDown,
        'Nest never calls beforeApplicationShutdown or onApplicationShutdown on request-scoped instances.',
      ],
      [
        'Symbol.dispose',
        Disposable,
        'It declares [Symbol.dispose], which suggests a pool, client or cache.',
      ],
      [
        'Symbol.asyncDispose',
        AsyncDisposable,
        'It declares [Symbol.asyncDispose], which suggests a pool, client or cache.',
      ],
      [
        'what its base class has',
        Inherited,
        'It declares onModuleDestroy, which suggests a pool, client or cache.',
      ],
      [
        'what its class has under another token',
        { provide: 'client', useClass: Disposable },
        'client is built again on every tick',
      ],
    ])('%s', async (_what, provider, text) => {
      const token = typeof provider === 'function' ? provider : provider.provide;
      const findings = await findingsOf({ providers: [Tenant, provider, worker([token])] });
      expect(findings).toMatchObject([{ kind: 'resource-rebuilt', token }]);
      expect(findings[0]!.message).toContain(text);
    });
  });

  it('[C1] is reported once, as an error, when it is marked @StaysSingleton()', async () => {
    @StaysSingleton()
    @Injectable()
    class Marked extends Pool {
      constructor(settings: Settings) {
        super(settings);
      }
    }
    const findings = await findingsOf({ providers: [Tenant, Settings, Marked, worker([Marked])] });
    expect(findings.map(({ kind, severity }) => [kind, severity])).toEqual([
      ['singleton-rebuilt', 'error'],
    ]);
  });

  it('is reported once, however many modules have providers that need it', async () => {
    @Module({ providers: [Tenant, Settings, Pool], exports: [Pool] })
    class PoolModule {}
    @Module({ imports: [PoolModule], providers: [Repository], exports: [Repository] })
    class Shop {}
    const findings = await findingsOf({
      imports: [PoolModule, Shop],
      providers: [worker([Repository, Pool])],
    });
    expect(findings).toHaveLength(1);
    expect(findings[0]!.chain).toEqual(['Worker.run', 'Pool', 'Settings', 'Tenant']);
  });

  describe('is not reported:', () => {
    @RequestScoped()
    class Session implements OnModuleDestroy {
      constructor(readonly tenant: Tenant) {}
      onModuleDestroy(): void {}
    }
    @Injectable()
    class UnitOfWork {
      constructor(readonly tenant: Tenant) {}
      onScopeCommit(): void {}
      onScopeRollback(): void {}
      async [Symbol.asyncDispose](): Promise<void> {}
    }
    @Injectable()
    class Prepared {
      constructor(@InjectTick() readonly tick: Tick) {}
      onScopeInit(): void {}
      onModuleDestroy(): void {}
    }
    @Injectable()
    class Invoices {
      constructor(readonly session: Session) {}
      send(): void {}
    }
    @Injectable()
    class RealPool implements OnModuleInit, OnModuleDestroy {
      constructor(readonly scopes: ProviderScopeFactory) {}
      onModuleInit(): void {}
      onModuleDestroy(): void {}
    }
    @Injectable()
    class Bus extends EventEmitter {
      constructor(readonly tenant: Tenant) {
        super();
      }
    }
    @Transient()
    class Span {
      constructor(readonly tenant: Tenant) {}
      [Symbol.dispose](): void {}
    }
    @Injectable()
    class Shy {
      constructor(readonly tenant: Tenant) {}
      get onModuleDestroy(): never {
        throw new Error('a getter is not called');
      }
    }
    class Client {
      onModuleDestroy(): void {}
    }

    it.each<[string, Provider[]]>([
      ['a request-scoped service with onModuleDestroy that says so itself', [Session, Tenant]],
      ['a service with onScopeCommit', [UnitOfWork, Tenant]],
      ['a service with onScopeInit', [Prepared]],
      ['a service without hooks that is request-scoped by bubbling', [Invoices, Session, Tenant]],
      ['a pool that is a singleton', [RealPool]],
      ['an event emitter', [Bus, Tenant]],
      ['a transient, which is one for each that injects it', [Span, Tenant]],
      ['a getter, which is not called', [Shy, Tenant]],
      [
        'what a factory makes, which nobody knows before it runs',
        [{ provide: Client, inject: [Tenant], useFactory: () => new Client() }, Tenant],
      ],
      [
        'an alias of what says so itself',
        [{ provide: 'session', useExisting: Session }, Session, Tenant],
      ],
      [
        'a factory with its own scope',
        [{ provide: Client, scope: Scope.REQUEST, useFactory: () => new Client() }],
      ],
    ])('%s', async (_what, providers) => {
      const [first] = providers;
      const token = typeof first === 'function' ? first : first!.provide;
      expect(
        await wordsAbout({ providers: [Tenant, ...providers, worker([token, Tenant])] }),
      ).toEqual([]);
    });

    it('one that only requests build: that is between the application and its requests', async () => {
      @Controller({ path: 'shop', scope: Scope.REQUEST })
      class Shop {
        constructor(readonly repository: Repository) {}
      }
      const providers = [Tenant, Settings, Pool, Repository, worker([Tenant])];
      expect(await wordsAbout({ providers, controllers: [Shop] })).toEqual([]);
    });

    it('the worker itself', async () => {
      const Worker = worker([Tenant]);
      Object.assign(Worker.prototype as object, { onModuleDestroy: () => undefined });
      expect(await wordsAbout({ providers: [Tenant, Worker] })).toEqual([]);
    });
  });
});

describe('A guard with a lifecycle hook', () => {
  afterEach(closeApps);

  @Injectable()
  class KeyGuard implements CanActivate, OnModuleInit {
    constructor(readonly tenant: Tenant) {}

    onModuleInit(): void {}

    canActivate(): boolean {
      return true;
    }
  }

  @ScopedWorker()
  @UseGuards(KeyGuard)
  class Guarded {
    @ScopedCron(YEARLY)
    run(): void {}
  }

  it('is reported when a dependency has it rebuilt on every tick', async () => {
    const findings = await findingsOf({ providers: [Tenant, Guarded] });
    expect(findings).toMatchObject([
      {
        kind: 'resource-rebuilt',
        severity: 'warning',
        subject: 'KeyGuard',
        chain: ['Guarded.run', 'KeyGuard', 'Tenant'],
      },
    ]);
    expect(findings[0]!.message).toContain('Nest never calls onModuleInit');
  });

  it('is accepted as a singleton, with its own scope, and where no tick gets to it', async () => {
    @Injectable()
    class Single implements CanActivate, OnModuleInit {
      onModuleInit(): void {}

      canActivate(): boolean {
        return true;
      }
    }
    @RequestScoped()
    class Own extends Single {
      constructor(readonly tenant: Tenant) {
        super();
      }
    }
    @ScopedWorker()
    @UseGuards(Single, Own)
    class Worker {
      @ScopedCron(YEARLY)
      run(): void {}
    }
    @Controller('guarded')
    @UseGuards(KeyGuard)
    class OverHttp {}
    expect(await wordsAbout({ providers: [Tenant, Worker], controllers: [OverHttp] })).toEqual([]);
  });
});

describe('A provider that a dependency makes request-scoped, and that no tick and no request builds', () => {
  afterEach(closeApps);

  @ScopedWorker()
  class Sync {
    constructor(readonly tenant: Tenant) {}

    @ScopedCron(YEARLY)
    run(): void {}
  }

  @Injectable()
  class Bootstrapper implements OnApplicationBootstrap {
    constructor(readonly sync: Sync) {}

    onApplicationBootstrap(): void {
      this.sync.run();
    }
  }

  it('[C1] is reported with the worker that it calls in its hook', async () => {
    expect(await findingsOf({ providers: [Tenant, Sync, Bootstrapper] })).toEqual([
      {
        number: 'SW212',
        kind: 'hook-unused',
        severity: 'warning',
        subject: 'Bootstrapper',
        token: Bootstrapper,
        chain: ['Bootstrapper', 'Sync'],
        message:
          'Nest never calls onApplicationBootstrap on Bootstrapper, because it depends on Sync, which is request-scoped (Bootstrapper -> Sync). The work in the hook never happens. Move the fields and methods of Sync that Bootstrapper uses into a separate service, and inject it into both. To run a handler once at start-up, set runOnStart: true.',
      },
    ]);
  });

  it('[C3] is reported with its chain, the nearest of several', async () => {
    @Injectable()
    class Jobs {
      constructor(readonly sync: Sync) {}
    }
    @Injectable()
    class Seeder implements OnModuleInit, OnApplicationShutdown {
      constructor(readonly jobs: Jobs) {}

      onModuleInit(): void {}
      onApplicationShutdown(): void {}
    }
    @Module({})
    class Root implements OnModuleInit {
      constructor(readonly seeder: Seeder) {}

      onModuleInit(): void {}
    }
    const root = { module: Root, providers: [Tenant, Sync, Jobs, Seeder] };
    const findings = await findingsOf({ imports: [root] });
    expect(findings).toMatchObject([
      { kind: 'hook-unused', subject: 'Seeder', chain: ['Seeder', 'Jobs', 'Sync'] },
    ]);
    expect(findings[0]!.message).toMatch(
      /^Nest never calls onModuleInit or onApplicationShutdown on Seeder, .* The work in these hooks never happens\. Move the fields and methods of Sync that Jobs uses into a separate service/,
    );
  });

  it('is reported if it is a module', async () => {
    @Module({})
    class Root implements OnApplicationBootstrap {
      constructor(readonly sync: Sync) {}

      onApplicationBootstrap(): void {}
    }
    const root = { module: Root, providers: [Tenant, Sync] };
    expect(await findingsOf({ imports: [root] })).toMatchObject([
      { kind: 'hook-unused', subject: 'Root', chain: ['Root', 'Sync'] },
    ]);
  });

  it('has its hook called once it follows the advice', async () => {
    const calls: string[] = [];
    @Injectable()
    class Early implements OnModuleInit {
      constructor(readonly scopes: ProviderScopeFactory) {}

      async onModuleInit(): Promise<void> {
        await this.scopes.run(async (scope) => {
          calls.push((await scope.resolve(Tenant)).constructor.name);
        });
      }
    }
    expect(await wordsAbout({ providers: [Tenant, Early] })).toEqual([]);
    expect(calls).toEqual(['Tenant']);
  });

  it('can be allowed', async () => {
    const allowFindings = [
      { finding: 'hook-unused', token: Bootstrapper, reason: 'only for tests' },
    ] as const;
    const providers = [Tenant, Sync, Bootstrapper];
    expect(await wordsAbout({ providers, options: { allowFindings } })).toEqual([]);
  });

  describe('is not reported:', () => {
    @Injectable()
    class Cache implements OnModuleInit {
      constructor(readonly sync: Sync) {}

      onModuleInit(): void {}
    }
    @Injectable()
    class OfTenant implements OnModuleInit {
      constructor(readonly tenant: Tenant) {}

      onModuleInit(): void {}
    }
    @RequestScoped()
    class Own extends Cache {}
    @Injectable()
    class Prepared extends Cache {
      onScopeInit(): void {}
    }
    @Injectable()
    class Session {
      constructor(readonly sync: Sync) {}

      onModuleDestroy(): void {}
    }
    @WebSocketGateway()
    class Gateway extends Cache {
      constructor(
        sync: Sync,
        readonly cache: Cache,
      ) {
        super(sync);
      }
    }
    @RequestScoped()
    class AuditInterceptor {
      constructor(readonly cache: Cache) {}

      intercept(_context: unknown, next: CallHandler): unknown {
        return next.handle();
      }
    }

    it.each<[string, Provider[]]>([
      ['one that another request-scoped provider makes request-scoped', [OfTenant]],
      ['one that declares its scope', [Own]],
      ['one with a scope hook', [Prepared]],
      ['one with a hook that scopes call', [Session]],
      ['a gateway, and what it depends on', [Gateway, Cache]],
      [
        'what a global interceptor depends on',
        [Cache, { provide: APP_INTERCEPTOR, useClass: AuditInterceptor }],
      ],
    ])('%s', async (_what, providers) => {
      expect(await kindsOf({ providers: [Tenant, Sync, ...providers] })).not.toContain(
        'hook-unused',
      );
    });

    it('a class that another finding says how to make a singleton', async () => {
      @Injectable()
      class Listener extends Cache {
        @OnEvent('order')
        heard(): void {}
      }
      @Injectable()
      class Loop extends BackgroundWorker implements OnModuleInit {
        constructor(readonly sync: Sync) {
          super();
        }

        onModuleInit(): void {}

        async execute(): Promise<void> {}
      }
      expect(await kindsOf({ providers: [Tenant, Sync, Listener, Loop] })).toEqual([
        'background-worker-scoped',
        'message-handler-scoped',
      ]);
    });
  });
});

/** The kinds of all findings, of any severity. */
async function kindsOf(metadata: TestAppOptions): Promise<string[]> {
  const { app } = await startApp({ ...metadata, options: { scopeValidation: 'warn' } });
  return inspectScopes(app)
    .findings.map(({ kind }) => kind)
    .filter((kind) => kind !== 'worker-not-provided');
}
