import { AsyncLocalStorage } from 'node:async_hooks';
import { ScopedCron, ScopedWorker, currentTick, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { countdown, gate, turn } from '../support/gate.js';
import { YEARLY } from '../support/probes.js';

const traces = new AsyncLocalStorage<string>();

describe('AsyncLocalStorage around a tick', () => {
  afterEach(closeApps);

  describe('when a handler enters a store', () => {
    let entered = countdown(1);
    let held = gate();

    @ScopedWorker()
    class Entering {
      @ScopedCron(YEARLY, { overlap: 'allow' })
      async tick({ payload }: Tick<string>): Promise<unknown> {
        const before = traces.getStore();
        traces.enterWith(payload);
        entered.hit();
        await held.opened;
        return { before, after: traces.getStore() };
      }

      @ScopedCron(YEARLY)
      atOnce({ payload }: Tick<string>): unknown {
        const before = traces.getStore();
        traces.enterWith(payload);
        return before;
      }

      @ScopedCron(YEARLY)
      failing({ payload }: Tick<string>): never {
        traces.enterWith(payload);
        throw new Error('after entering');
      }
    }

    beforeEach(() => {
      entered = countdown(2);
      held = gate();
    });

    it('[A19] parallel ticks do not see it', async () => {
      const { registry } = await startApp({ providers: [Entering] });
      const running = ['a', 'b'].map((payload) => registry.run('Entering.tick', { payload }));
      await entered.done;
      held.open();
      const reports = await Promise.all(running);
      expect(reports.map((report) => report.value)).toEqual([
        { before: undefined, after: 'a' },
        { before: undefined, after: 'b' },
      ]);
    });

    it('[A19] neither the next tick nor who ran this one sees it', async () => {
      const { registry } = await startApp({ providers: [Entering] });
      for (const payload of ['a', 'b', 'c']) {
        expect((await registry.run('Entering.atOnce', { payload })).value).toBeUndefined();
        expect(traces.getStore()).toBeUndefined();
        await registry.run('Entering.failing', { payload });
        expect(traces.getStore()).toBeUndefined();
      }
    });

    it('[A19] no listener of an event sees it', async () => {
      const { registry, events } = await startApp({ providers: [Entering] });
      const seen: unknown[] = [];
      const names = ['tick:started', 'scope:opened', 'scope:closed', 'tick:finished'] as const;
      for (const name of names) events.on(name, () => seen.push(traces.getStore()));
      await registry.run('Entering.atOnce', { payload: 'a' });
      await registry.run('Entering.failing', { payload: 'b' });
      expect(seen).toEqual(Array.from({ length: 8 }, () => undefined));
    });
  });

  describe('when a tick is run by hand', () => {
    @ScopedWorker()
    class Tracing {
      @ScopedCron(YEARLY)
      async tick(): Promise<unknown> {
        const atOnce = traces.getStore();
        await turn();
        return [atOnce, traces.getStore()];
      }
    }

    it('[A20] inside als.run(x) it sees x, outside nothing', async () => {
      const { registry } = await startApp({ providers: [Tracing] });
      const inside = traces.run('x', () => registry.run('Tracing.tick'));
      expect((await inside).value).toEqual(['x', 'x']);
      expect((await registry.run('Tracing.tick')).value).toEqual([undefined, undefined]);
    });

    it('[A20] in a handler of another tick, the current tick is its own', async () => {
      @ScopedWorker()
      class Inner {
        @ScopedCron(YEARLY)
        tick(tick: Tick): boolean {
          return currentTick() === tick;
        }
      }
      const { registry } = await startApp({ providers: [Tracing, Inner] });
      expect(currentTick()).toBeUndefined();
      expect((await registry.run('Inner.tick')).value).toBe(true);
      expect(currentTick()).toBeUndefined();
    });
  });
});
