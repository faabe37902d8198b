import { Inject, Module, Scope, type DynamicModule, type Provider } from '@nestjs/common';
import { ScopedCron, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { refusal } from '../support/refusal.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

describe('A worker', () => {
  afterEach(closeApps);

  describe('when a factory builds it', () => {
    @ScopedWorker()
    class Made {
      constructor(
        readonly probe: Probe,
        readonly by = 'constructor',
      ) {}

      @ScopedCron(YEARLY)
      tick(): unknown {
        return { by: this.by, probe: this.probe, worker: this };
      }
    }

    const made: Provider = {
      provide: Made,
      scope: Scope.REQUEST,
      inject: [Probe],
      useFactory: async (probe: Probe) => new Made(probe, await Promise.resolve('factory')),
    };

    it('[A23] it runs, new on every tick', async () => {
      const { registry, app } = await startApp({ providers: [...PROBES, made] });
      const first = (await registry.run('Made.tick')).value as { worker: Made };
      const second = (await registry.run('Made.tick')).value as { worker: Made };
      expect(first).toMatchObject({ by: 'factory' });
      expect(second.worker).not.toBe(first.worker);
      expect(app.get(ProbeJournal).disposed).toHaveLength(2);
    });

    it('[A23] runs when the factory is in another module and is exported', async () => {
      @Module({ providers: [...PROBES, made], exports: [Made] })
      class MakerModule {}
      const { registry } = await startApp({ imports: [MakerModule] });
      expect(await registry.run('Made.tick')).toMatchObject({ value: { by: 'factory' } });
    });

    it('[A23] a factory for the whole application is refused, with what to write', async () => {
      const single: Provider = { provide: Made, useFactory: () => new Made({} as Probe) };
      await expect(startApp({ providers: [single] })).rejects.toThrow(
        /Made .*once for the whole application.*Scope\.REQUEST/,
      );
    });
  });

  describe('when it is durable', () => {
    @ScopedWorker()
    class Lasting {
      @ScopedCron(YEARLY)
      tick(): void {}
    }
    const host = (durable: boolean): Provider => ({
      provide: Lasting,
      scope: Scope.REQUEST,
      durable,
      useFactory: () => new Lasting(),
    });

    it('[A11] it is refused, because it would outlive its tick', async () => {
      const error = await refusal({ providers: [host(true)] });
      expect(error.message).toMatch(/Lasting .*durable/);
    });

    it('[A11] its neighbor that is not durable starts', async () => {
      const { registry } = await startApp({ providers: [host(false)] });
      expect(await registry.run('Lasting.tick')).toMatchObject({ outcome: 'succeeded' });
    });
  });

  describe('when a token other than a class names it', () => {
    @ScopedWorker()
    class Renamed {
      @ScopedCron(YEARLY)
      tick(): string {
        return 'ran';
      }
    }

    it('[A23] it is found by its class', async () => {
      const { registry } = await startApp({ providers: [{ provide: 'job', useClass: Renamed }] });
      expect(await registry.run('Renamed.tick')).toMatchObject({ value: 'ran' });
    });

    it('[A23] runs a subclass that replaces it', async () => {
      @ScopedWorker()
      class Substitute extends Renamed {
        override tick(): string {
          return 'substitute ran';
        }
      }
      const { registry } = await startApp({
        providers: [{ provide: Renamed, useClass: Substitute }],
      });
      expect(registry.list()).toHaveLength(1);
      const [{ name } = { name: '' }] = registry.list();
      expect(await registry.run(name)).toMatchObject({ value: 'substitute ran' });
    });
  });

  describe('when a dynamic module provides it', () => {
    @ScopedWorker()
    class Configured {
      constructor(
        @Inject('region') readonly region: string,
        readonly probe: Probe,
      ) {}

      @ScopedCron(YEARLY)
      tick(): string {
        return this.region;
      }
    }

    @Module({})
    class RegionModule {
      static forRegion(region: string): DynamicModule {
        return {
          module: RegionModule,
          providers: [...PROBES, Configured, { provide: 'region', useValue: region }],
        };
      }
    }

    it('[A23] it is built with the providers of that module', async () => {
      const { registry } = await startApp({ imports: [RegionModule.forRegion('north')] });
      expect(await registry.run('Configured.tick')).toMatchObject({ value: 'north' });
    });

    it('[A23] a strict resolve looks in its module only', async () => {
      @ScopedWorker()
      class Strict {
        @ScopedCron(YEARLY)
        async tick({ scope }: Tick): Promise<unknown> {
          const wide = await scope.resolve('region');
          const narrow = await scope.resolve('region', { strict: true }).catch(() => 'not here');
          return [wide, narrow];
        }
      }
      const { registry } = await startApp({
        imports: [RegionModule.forRegion('north')],
        providers: [Strict],
      });
      expect((await registry.run('Strict.tick')).value).toEqual(['north', 'not here']);
    });

    it('[A23] resolve() chooses the last module that provides the token, and with strict never an import', async () => {
      const exportRegion = (region: string): DynamicModule => ({
        module: class {},
        providers: [{ provide: 'region', scope: Scope.REQUEST, useFactory: () => region }],
        exports: ['region'],
      });

      @ScopedWorker()
      class Chooser {
        constructor(@Inject('region') private readonly injected: string) {}

        @ScopedCron(YEARLY)
        async tick({ scope }: Tick): Promise<unknown> {
          const narrow = scope.resolve('region', { strict: true }).catch(() => 'not here');
          return [this.injected, await scope.resolve('region'), await narrow];
        }
      }

      @Module({ imports: [exportRegion('north')], providers: [Chooser] })
      class ChooserModule {}

      const { registry } = await startApp({ imports: [ChooserModule, exportRegion('south')] });
      expect((await registry.run('Chooser.tick')).value).toEqual(['north', 'south', 'not here']);
    });
  });
});
