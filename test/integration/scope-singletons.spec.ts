import {
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type OnModuleDestroy,
  type Provider,
} from '@nestjs/common';
import { LazyModuleLoader, ModuleRef } from '@nestjs/core';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
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
