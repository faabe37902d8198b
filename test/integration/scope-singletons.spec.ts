import {
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type DynamicModule,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { LazyModuleLoader, ModuleRef, ModulesContainer } from '@nestjs/core';
import { ProviderScopeFactory, ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn, type Gate } from '../support/gate.js';
import { Probe, PROBES, YEARLY } from '../support/probes.js';

describe('What a scope shares', () => {
  afterEach(closeApps);

  describe('when a singleton is used in it', () => {
    @Injectable()
    class Single implements OnModuleDestroy {
      destroyed = 0;

      onModuleDestroy(): void {
        this.destroyed += 1;
      }
    }

    @ScopedWorker()
    class Using {
      constructor(
        readonly single: Single,
        readonly probe: Probe,
      ) {}

      @ScopedCron(YEARLY)
      async tick({ scope }: Tick): Promise<unknown[]> {
        return [this.single, await scope.resolve(Single)];
      }
    }

    it('[A4] it is the same object in every tick and is destroyed with the application only', async () => {
      const { registry, app } = await startApp({ providers: [...PROBES, Single, Using] });
      const single = app.get(Single);
      for (let run = 0; run < 3; run += 1) {
        const { value } = await registry.run('Using.tick');
        expect((value as unknown[]).every((seen) => seen === single)).toBe(true);
        expect(single.destroyed).toBe(0);
      }
      await app.close();
      expect(single.destroyed).toBe(1);
    });

    it("[A5] a singleton that resolves by itself inside a tick gets none of the tick's objects", async () => {
      @Injectable()
      class Lookup {
        constructor(readonly moduleRef: ModuleRef) {}

        find(): Promise<Probe> {
          return this.moduleRef.resolve(Probe, undefined, { strict: false });
        }
      }
      @ScopedWorker()
      class Asking {
        constructor(
          readonly probe: Probe,
          readonly lookup: Lookup,
        ) {}

        @ScopedCron(YEARLY)
        async tick(): Promise<boolean> {
          return (await this.lookup.find()) === this.probe;
        }
      }
      const { registry } = await startApp({ providers: [...PROBES, Lookup, Asking] });
      expect(await registry.run('Asking.tick')).toMatchObject({
        outcome: 'succeeded',
        value: false,
      });
    });

    describe('of a module that is loaded inside the tick', () => {
      @Injectable()
      class LateSingle {}

      @Module({ providers: [LateSingle, ...PROBES] })
      class LateModule {}

      @ScopedWorker()
      class Loading {
        constructor(readonly loader: LazyModuleLoader) {}

        @ScopedCron(YEARLY)
        async tick({ scope }: Tick): Promise<unknown> {
          const late = await this.loader.load(() => LateModule);
          return {
            single: late.get(LateSingle),
            resolvedSingle: await scope.resolve(LateSingle),
            probe: await late.resolve(Probe, scope.contextId),
          };
        }
      }

      interface Seen {
        readonly single: LateSingle;
        readonly resolvedSingle: LateSingle;
        readonly probe: Probe;
      }

      it('[A5] the singleton is the same in every tick, the request-scoped providers are not', async () => {
        const { registry } = await startApp({ providers: [Loading] });
        const first = (await registry.run('Loading.tick')).value as Seen;
        const second = (await registry.run('Loading.tick')).value as Seen;
        expect(first.resolvedSingle).toBe(first.single);
        expect(second.single).toBe(first.single);
        expect(second.probe).not.toBe(first.probe);
      });

      it('[B18] what is resolved from it is disposed with the tick that loaded it', async () => {
        const { registry } = await startApp({ providers: [Loading] });
        const first = (await registry.run('Loading.tick')).value as Seen;
        expect(first.probe.isDisposed).toBe(true);
      });
    });
  });

  describe('when a transient is injected', () => {
    const disposed: Transient[] = [];

    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      [Symbol.dispose](): void {
        disposed.push(this);
      }
    }

    @Injectable()
    class Holder {
      constructor(readonly mine: Transient) {}
    }

    @ScopedWorker()
    class TransientUser {
      constructor(
        readonly mine: Transient,
        readonly again: Transient,
        readonly holder: Holder,
      ) {}

      @ScopedCron(YEARLY)
      async tick({ scope }: Tick): Promise<unknown[]> {
        return [this.mine, await scope.resolve(Transient), this.holder.mine, this.again];
      }
    }

    it('[A6] it is new for each consumer, and those of the tick are disposed with it', async () => {
      const { registry } = await startApp({ providers: [Transient, Holder, TransientUser] });
      const report = await registry.run('TransientUser.tick');
      const [own, resolved, ofSingleton, ownAgain] = report.value as Transient[];
      expect(ownAgain).toBe(own);
      expect(new Set([own, resolved, ofSingleton]).size).toBe(3);
      expect(new Set(disposed)).toEqual(new Set([own, resolved]));

      const next = (await registry.run('TransientUser.tick')).value as Transient[];
      expect(next[0]).not.toBe(own);
      expect(next[2]).toBe(ofSingleton);
      expect(disposed).toHaveLength(4);
      expect(disposed).not.toContain(ofSingleton);
    });
  });

  const token = (value: string): Provider => ({
    provide: 'TOKEN',
    scope: Scope.REQUEST,
    useFactory: () => value,
  });

  it('[K3] a resolve by hand sees a lazily loaded module, even if it saw the token before', async () => {
    @Module({ providers: [token('late')] })
    class LateModule {}
    const { app, scopes } = await startApp({ providers: [token('early')] });
    const resolved = (): Promise<string> => scopes.run((scope) => scope.resolve<string>('TOKEN'));
    expect(await resolved()).toBe('early');
    await app.get(LazyModuleLoader).load(() => LateModule);
    expect(await resolved()).toBe('late');
  });

  it('[K3] a resolve by hand sees a lazily loaded module, even if it saw the token during the load', async () => {
    @Module({})
    class KnownModule {}
    const known: DynamicModule = { module: KnownModule };
    const imported = gate<DynamicModule>();
    @Module({ imports: [imported.opened], providers: [token('late')] })
    class LateModule {}
    const { app, scopes } = await startApp({ imports: [known], providers: [token('early')] });
    const resolved = (): Promise<string> => scopes.run((scope) => scope.resolve<string>('TOKEN'));
    const loading = app.get(LazyModuleLoader).load(() => LateModule);
    await turn();
    expect(await resolved()).toBe('early');
    imported.open(known);
    await loading;
    expect(await resolved()).toBe('late');
  });

  describe('while a module is loaded lazily', () => {
    /** `Sender` becomes request-scoped through `Session`. */
    @Injectable({ scope: Scope.REQUEST })
    class Session {}

    @Injectable()
    class Sender {
      @Inject(Session) readonly session!: Session;
      readonly isBuilt = true;

      constructor(@Inject('NAME') readonly name: string) {}
    }

    @Injectable({ scope: Scope.REQUEST })
    class Mailer {
      readonly isBuilt = true;

      constructor(@Inject('NAME') readonly name: string) {}
    }

    @Injectable()
    class Single {
      readonly isBuilt = true;

      constructor(@Inject('NAME') readonly name: string) {}
    }

    type Resolved = Pick<Single, 'isBuilt' | 'name'>;

    const classes = [Single, Mailer, Sender];
    const alias = { provide: 'ALIAS', useExisting: Single };
    const providers: Provider[] = [...classes, Session, alias];
    const tokens = [...classes, 'ALIAS'];

    interface Load {
      readonly loading: Promise<ModuleRef>;
      readonly name: Gate<string>;
      /** Resolves all tokens in a new scope. */
      resolved(): Promise<Resolved[]>;
    }

    /** Starts an application, and the load of a module that has the same providers and waits for `name`. */
    const startLoad = async (before?: (resolved: Load['resolved']) => unknown): Promise<Load> => {
      const [began, name] = [gate(), gate<string>()];
      const useFactory = (): Promise<string> => {
        began.open();
        return name.opened;
      };
      @Module({ providers: [...providers, { provide: 'NAME', useFactory }] })
      class LateModule {}
      const { app, scopes } = await startApp({
        providers: [...providers, { provide: 'NAME', useValue: 'early' }],
      });
      const resolved = (): Promise<Resolved[]> =>
        scopes.run((scope) =>
          Promise.all(tokens.map((each) => scope.resolve<Resolved>(each as typeof Single))),
        );
      await before?.(resolved);
      const loading = app.get(LazyModuleLoader).load(() => LateModule);
      await began.opened;
      return { loading, name, resolved };
    };
    const all = (name: string): unknown[] =>
      tokens.map(() => expect.objectContaining({ isBuilt: true, name }));

    it.each([
      ['nothing was resolved before', undefined],
      ['all was resolved before', (resolved: Load['resolved']) => resolved()],
    ])('[K3] a resolve by hand prefers what Nest has built: %s', async (_when, before) => {
      const { loading, name, resolved } = await startLoad(before);
      expect(await resolved()).toEqual(all('early'));
      name.open('late');
      await loading;
      expect(await resolved()).toEqual(all('late'));
    });

    it('[K3] a resolve by hand sees no module whose load has failed', async () => {
      const { loading, name, resolved } = await startLoad();
      expect(await resolved()).toEqual(all('early'));
      name.fail(new Error('no network'));
      await expect(loading).rejects.toThrow('no network');
      expect(await resolved()).toEqual(all('early'));
    });

    it('[K3] a provider of that module resolves what the module declares as request-scoped', async () => {
      const first: Provider = {
        provide: 'FIRST',
        inject: [ProviderScopeFactory],
        useFactory: (scopes: ProviderScopeFactory) =>
          scopes.run(async (scope) => (await scope.resolve(Mailer)).name),
      };
      @Module({ providers: [first, Mailer, { provide: 'NAME', useValue: 'late' }] })
      class LateModule {}
      const { app } = await startApp({});
      const late = await app.get(LazyModuleLoader).load(() => LateModule);
      expect(late.get('FIRST')).toBe('late');
    });
  });

  it('[A4] a singleton of a lazily loaded module is found, even if a scope resolved another one before', async () => {
    @Injectable()
    class Early {}
    @Injectable()
    class Late {}
    @Module({ providers: [Late] })
    class LateModule {}
    const { app, scopes } = await startApp({ providers: [Early] });
    await scopes.run((scope) => scope.resolve(Early));
    const late = await app.get(LazyModuleLoader).load(() => LateModule);
    expect(await scopes.run((scope) => scope.resolve(Late))).toBe(late.get(Late));
  });

  describe('when a module of the application, or one that imports it, is loaded lazily', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Session {
      readonly rows = [1, 2];
    }

    @Injectable()
    class Guard {
      constructor(private readonly session: Session) {}

      canActivate(): boolean {
        return this.session.rows.length === 2;
      }
    }

    @ScopedWorker()
    class Job {
      constructor(readonly session: Session) {}

      @UseGuards(Guard)
      @ScopedCron(YEARLY)
      async run({ scope }: Tick): Promise<unknown> {
        const own = await scope.resolve(Session, { strict: true });
        return own === this.session && own.rows;
      }

      @ScopedCron(YEARLY, {
        forEach: { inject: [Session], useFactory: ({ rows }: Session) => rows },
      })
      each(): void {}
    }

    @ScopedWorker()
    class Importer {
      constructor(readonly session: Session) {}

      @ScopedCron(YEARLY)
      run(): unknown {
        return this.session.rows;
      }
    }

    @Module({ providers: [Session, Job], exports: [Session] })
    class FeatureModule {}

    const settings: Provider = {
      provide: 'SETTINGS',
      scope: Scope.REQUEST,
      useFactory: () => ({ isRead: true }),
    };

    const failing: Provider = {
      provide: 'CONNECTION',
      useFactory: () => Promise.reject(new Error('no network')),
    };

    it.each(['compiled', 'nest'] as const)(
      '[K3] everything is built from its providers as before, by %s resolution',
      async (resolution) => {
        @Module({ imports: [FeatureModule] })
        class LateModule {}
        const late = gate<never>();
        const failingLater: Provider = { provide: 'CACHE', useFactory: () => late.opened };
        @Module({ imports: [FeatureModule], providers: [failing, failingLater] })
        class BrokenModule {}
        const { app, registry, scopes } = await startApp({
          imports: [FeatureModule],
          providers: [Importer, settings],
          options: { resolution },
        });
        const built = async (): Promise<unknown[]> => [
          (await registry.run('Job.run')).value,
          (await registry.run('Job.each')).attempts,
          (await registry.run('Importer.run')).value,
          await scopes.run(async (scope) => (await scope.resolve(Session)).rows),
          await scopes.run((scope) => scope.resolve('SETTINGS')),
        ];
        const expectBuilt = async (): Promise<void> => {
          for (let round = 0; round < 3; round += 1)
            expect(await built()).toEqual([[1, 2], 2, [1, 2], [1, 2], { isRead: true }]);
        };
        await expectBuilt();
        for (const module of [FeatureModule, LateModule, LateModule]) {
          await app.get(LazyModuleLoader).load(() => module);
          await expectBuilt();
        }
        const broken = app.get(LazyModuleLoader).load(() => BrokenModule);
        await expect(broken).rejects.toThrow('no network');
        await expectBuilt();
        late.fail(new Error('no network either')); // the load no longer waits for this provider
        await turn();
        await expectBuilt();
      },
    );

    it('[D24] start-up goes on if a load fails in onModuleInit', async () => {
      @Module({ providers: [failing] })
      class BrokenModule {}
      @Injectable()
      class Starter implements OnModuleInit {
        constructor(private readonly loader: LazyModuleLoader) {}

        async onModuleInit(): Promise<void> {
          await expect(this.loader.load(() => BrokenModule)).rejects.toThrow('no network');
        }
      }
      const { app, registry } = await startApp({ imports: [FeatureModule], providers: [Starter] });
      await turn(); // after start-up, the library looks for background workers
      expect((await registry.run('Job.run')).value).toEqual([1, 2]);
      await expect(app.close()).resolves.toBeUndefined();
    });

    it('[A4] its list of guards does not grow with each load', async () => {
      const { app } = await startApp({ imports: [FeatureModule] });
      const modules = [...app.get(ModulesContainer).values()];
      const { providers } = modules.find(({ metatype }) => metatype === FeatureModule)!;
      const load = () => app.get(LazyModuleLoader).load(() => FeatureModule);
      await load();
      const { length } = providers.get(Job)!.getEnhancersMetadata()!;
      await load();
      await load();
      expect(providers.get(Job)!.getEnhancersMetadata()).toHaveLength(length);
    });

    it('[A4] its singletons stay the same objects', async () => {
      @Injectable()
      class Pool {}
      @Module({ providers: [Pool], exports: [Pool] })
      class PoolModule {}
      @Module({ imports: [PoolModule] })
      class LateModule {}
      const { app } = await startApp({ imports: [PoolModule] });
      const pool = app.get(Pool);
      for (const module of [PoolModule, LateModule]) {
        await app.get(LazyModuleLoader).load(() => module);
        expect(app.get(Pool)).toBe(pool);
      }
    });

    it('[K3] a resolve by hand during a second load gets what the first one has built', async () => {
      const second = gate();
      let loads = 0;
      @Injectable()
      class Pool {
        readonly isOpen = true;
      }
      @Injectable({ scope: Scope.REQUEST })
      class Query {
        constructor(readonly pool: Pool) {}
      }
      const connection: Provider = {
        provide: 'CONNECTION',
        useFactory: () => ((loads += 1) === 1 ? undefined : second.opened),
      };
      @Module({ providers: [Pool, Query, connection] })
      class LateModule {}
      const { app, scopes } = await startApp({});
      const load = () => app.get(LazyModuleLoader).load(() => LateModule);
      const pool = () => scopes.run(async (scope) => (await scope.resolve(Query)).pool);
      await load();
      const first = await pool();
      const loading = load();
      await turn();
      expect(await pool()).toBe(first);
      second.open();
      await loading;
      expect(await pool()).toBe(first);
      expect(first.isOpen).toBe(true);
    });
  });

  // Nest 11.0 keeps such a module, and its injector never stops looking for the instance.
  (process.env['NEST'] === 'nest11-oldest' ? describe.skip : describe)(
    'when a lazily loaded module cannot be built',
    () => {
      it('[K3] a resolve by hand sees what Nest sees', async () => {
        const [began, connected] = [gate(), gate()];
        const connection: Provider = {
          provide: 'CONNECTION',
          useFactory: () => {
            began.open();
            return connected.opened;
          },
        };
        @Module({
          providers: [connection, { ...token('late'), inject: ['CONNECTION'] } as Provider],
        })
        class LateModule {}
        const { app, scopes } = await startApp({ providers: [token('early')] });
        const resolved = (): Promise<string> =>
          scopes.run((scope) => scope.resolve<string>('TOKEN'));
        const loading = app.get(LazyModuleLoader).load(() => LateModule);
        await began.opened;
        const during = resolved();
        connected.fail(new Error('no network'));
        await expect(loading).rejects.toThrow('no network');
        await during.catch(() => undefined);
        const byNest = app.get(ModuleRef).resolve<string>('TOKEN', undefined, { strict: false });
        expect(await resolved()).toBe(await byNest);
      });
    },
  );
});
