import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { ScopedCron, ScopedWorker } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { countdown, gate, turn } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

describe('The construction of a scope', () => {
  afterEach(closeApps);

  describe('when a request-scoped factory is injected twice', () => {
    @Injectable()
    class Other {
      constructor(@Inject('made') readonly made: unknown) {}
    }

    @ScopedWorker()
    class Twice {
      constructor(
        @Inject('made') readonly made: unknown,
        readonly other: Other,
      ) {}

      @ScopedCron(YEARLY)
      tick(): unknown[] {
        return [this.made, this.other.made];
      }
    }

    it.each([
      ['a synchronous', (make: () => object) => make],
      ['an asynchronous', (make: () => object) => async () => (await turn(), make())],
    ])('[A7] %s factory runs once per tick', async (_kind, wrap) => {
      let calls = 0;
      const useFactory = wrap(() => ({ call: (calls += 1) }));
      const { registry } = await startApp({
        providers: [{ provide: 'made', scope: Scope.REQUEST, useFactory }, Other, Twice],
      });
      for (let run = 1; run <= 3; run += 1) {
        const [own, others] = (await registry.run('Twice.tick')).value as unknown[];
        expect(own).toBe(others);
        expect(own).toEqual({ call: run });
      }
      expect(calls).toBe(3);
    });
  });

  describe('when one async-built provider is resolved twice at once', () => {
    function slow(): { provider: Provider; built: unknown[]; release: () => void } {
      const built: unknown[] = [];
      const held = gate();
      const useFactory = async (): Promise<object> => {
        const instance = { number: built.push(undefined) };
        await held.opened;
        return instance;
      };
      return {
        provider: { provide: 'slow', scope: Scope.REQUEST, useFactory },
        built,
        release: held.open,
      };
    }

    it('[A8] it is built once, and both wait for it', async () => {
      const { provider, built, release } = slow();
      const { scopes } = await startApp({ providers: [provider] });
      await scopes.run(async (scope) => {
        let settled = 0;
        const resolves = [scope.resolve('slow'), scope.resolve('slow')].map((resolve) =>
          resolve.finally(() => (settled += 1)),
        );
        await turn();
        expect(settled).toBe(0);
        release();
        const [first, second] = await Promise.all(resolves);
        expect(first).toEqual({ number: 1 });
        expect(second).toBe(first);
        expect(built).toHaveLength(1);
      });
    });

    it('[A8] a resolve in another scope at the same time builds another', async () => {
      const { provider, built, release } = slow();
      const { scopes } = await startApp({ providers: [provider] });
      const resolve = (): Promise<unknown> => scopes.run((scope) => scope.resolve('slow'));
      const both = [resolve(), resolve()];
      release();
      const [first, second] = await Promise.all(both);
      expect(first).not.toBe(second);
      expect(built).toHaveLength(2);
    });

    it('[A8] when its construction fails, both resolves fail with that error, and nothing hangs', async () => {
      const failure = new Error('no connection');
      let calls = 0;
      const useFactory = async (): Promise<never> => {
        calls += 1;
        await turn();
        throw failure;
      };
      const { scopes } = await startApp({
        providers: [{ provide: 'broken', scope: Scope.REQUEST, useFactory }],
      });
      await scopes.run(async (scope) => {
        const both = [scope.resolve('broken'), scope.resolve('broken')];
        const results = await Promise.allSettled(both);
        expect(results).toEqual([
          { status: 'rejected', reason: failure },
          { status: 'rejected', reason: failure },
        ]);
      });
      expect(calls).toBe(1);
    });
  });

  describe('when 100 ticks over 10 providers overlap', () => {
    const layers = Array.from({ length: 8 }, (_, index): Provider => ({
      provide: `layer ${index}`,
      inject: [Probe, ...(index === 0 ? [] : [`layer ${index - 1}`])],
      scope: Scope.REQUEST,
      useFactory: async (probe: Probe) => (await turn(), { probe }),
    }));

    it('[A9] there are 100 distinct Probes, 100 disposals and no error', async () => {
      const entered = countdown(100);
      const held = gate();
      @ScopedWorker()
      class Crowd {
        constructor(
          readonly probe: Probe,
          @Inject('layer 7') readonly top: { probe: Probe },
        ) {}

        @ScopedCron(YEARLY, { overlap: 'allow' })
        async tick(): Promise<boolean> {
          entered.hit();
          await held.opened;
          return this.top.probe === this.probe;
        }
      }
      const { registry, app } = await startApp({ providers: [...PROBES, ...layers, Crowd] });
      const running = Array.from({ length: 100 }, () => registry.run('Crowd.tick'));
      await entered.done;
      const journal = app.get(ProbeJournal);
      expect(registry.stats()).toMatchObject({ openScopes: 100, runningTicks: 100 });
      expect(journal.alive).toHaveLength(100);

      held.open();
      for (const report of await Promise.all(running)) {
        expect(report).toMatchObject({ outcome: 'succeeded', value: true, disposeErrors: [] });
      }
      expect(new Set(journal.created).size).toBe(100);
      expect(new Set(journal.disposed)).toEqual(new Set(journal.created));
      expect(journal.disposed).toHaveLength(100);
    });
  });

  describe('when the graph has 60 nodes', () => {
    /** Each node depends on the one before it and on the first. */
    const nodes = Array.from({ length: 60 }, (_, index): Provider => ({
      provide: `node ${index}`,
      scope: Scope.REQUEST,
      inject: index === 0 ? [] : [`node ${index - 1}`, 'node 0'],
      useFactory: (before?: { depth: number; first: object }, first?: object) => ({
        depth: (before?.depth ?? 0) + 1,
        first: before?.first ?? first ?? {},
      }),
    }));

    it('[A10] the worker runs on top of it', async () => {
      @ScopedWorker()
      class Deep {
        constructor(@Inject('node 59') readonly top: { depth: number }) {}

        @ScopedCron(YEARLY)
        tick(): number {
          return this.top.depth;
        }
      }
      const { registry } = await startApp({ providers: [...nodes, Deep] });
      expect(await registry.run('Deep.tick')).toMatchObject({
        outcome: 'succeeded',
        value: 60,
        built: 61,
      });
    });
  });
});
