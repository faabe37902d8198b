import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  ScopedInterval,
  ScopedWorker,
  type HandlerOptions,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, afterNoon, useFakeClock } from '../support/fake-clock.js';
import { forEachApp } from '../support/for-each.js';
import { gate, turn, type Gate } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { heard } from '../support/run-time-schedules.js';
import { turns } from '../support/running-tick.js';

afterEach(async () => {
  await closeApps();
  jest.useRealTimers();
});

/** A gate for each item, and what of them is at work now. */
function gates<T extends PropertyKey>(...items: T[]) {
  const held = Object.fromEntries(items.map((item) => [item, gate()])) as Record<T, Gate>;
  const working = new Set<T>();
  const work = async (item: T): Promise<T> => {
    working.add(item);
    await held[item].opened;
    working.delete(item);
    return item;
  };
  return { held, working, work };
}

describe('forEach', () => {
  it('[A1] [J9] runs a tick for each item, with its own scope and the item as payload', async () => {
    const { app, registry, begun } = await forEachApp(
      { list: ['a', 'b', 'c'], needs: [Probe], providers: PROBES },
      (_item, _tick, probe: Probe) => probe.id,
    );
    const report = await registry.run('Worker.run');
    expect(begun).toEqual(['a', 'b', 'c']);
    expect(report.items!.map(({ value }) => value)).toEqual([1, 2, 3]);
    const journal = app.get(ProbeJournal);
    expect([journal.created.length, journal.alive]).toEqual([3, []]);
    expect(registry.stats()).toMatchObject({ openedScopes: 4, closedScopes: 4, runningTicks: 0 });
  });

  it('[XF6] returns a summary to a run by hand with the reports of all items', async () => {
    const { registry, finished, skipped } = await forEachApp(
      { list: [1, 2], needs: [Probe], providers: PROBES },
      (item: number) => item * 10,
    );
    const report = await registry.run('Worker.run');
    expect(report).toMatchObject({
      schedule: 'Worker.run',
      trigger: 'manual',
      outcome: 'succeeded',
      attempts: 2,
      disposeErrors: [],
      built: 4,
      disposed: 2,
    });
    expect(report.items).toMatchObject([
      { schedule: 'Worker.run', trigger: 'manual', outcome: 'succeeded', value: 10, disposed: 1 },
      { schedule: 'Worker.run', trigger: 'manual', outcome: 'succeeded', value: 20, disposed: 1 },
    ]);
    const ids = [report, ...report.items!].map(({ tickId }) => tickId);
    expect(new Set(ids).size).toBe(3);
    // The events are about the items, which are the ticks.
    expect(finished).toEqual(report.items);
    expect(skipped).toEqual([]);
  });

  it('[XF5] runs one item when a run by hand has a payload', async () => {
    let asked = 0;
    const { registry, begun } = await forEachApp(
      {
        list: () => {
          asked += 1;
          return ['a', 'b'];
        },
      },
      (item) => item,
    );
    const report = await registry.run('Worker.run', { payload: 'x' });
    expect(report).toMatchObject({ outcome: 'succeeded', value: 'x' });
    expect(report.items).toBeUndefined();
    expect([begun, asked]).toEqual([['x'], 0]);
  });

  it('each tick has the slot of the list', async () => {
    useFakeClock();
    const seen: string[] = [];
    @ScopedWorker()
    class Tenants {
      @ScopedInterval(1_000, { forEach: { useFactory: () => ['a', 'b'] } })
      sync({ payload, trigger, scheduledAt, schedule }: Tick): void {
        seen.push(`${schedule} ${String(payload)} ${trigger} ${scheduledAt.toISOString()}`);
      }
    }
    await startApp({ providers: [Tenants] });
    await advance(1_000);
    expect(seen).toEqual([
      `Tenants.sync a interval ${afterNoon(1_000)}`,
      `Tenants.sync b interval ${afterNoon(1_000)}`,
    ]);
  });

  it.each<[string, () => Iterable<unknown>]>([
    ['an array', () => [1, 2, 3]],
    ['a Set', () => new Set([1, 2, 3])],
    ['the keys of a Map', () => new Map([1, 2, 3].map((key) => [key, 'x'])).keys()],
    [
      'a generator',
      function* () {
        yield 1;
        yield 2;
        yield 3;
      },
    ],
    ['a typed array', () => Uint8Array.of(1, 2, 3)],
  ])('takes %s for a list', async (_, list) => {
    const { registry, begun } = await forEachApp({ list });
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    expect(begun).toEqual([1, 2, 3]);
  });

  it('takes items that are falsy as they are', async () => {
    const { registry, begun } = await forEachApp({ list: [0, '', false] });
    await registry.run('Worker.run');
    expect(begun).toEqual([0, '', false]);
  });

  it('[A19] what an item puts into AsyncLocalStorage is invisible to the next one', async () => {
    const tenants = new AsyncLocalStorage<unknown>();
    const { registry, begun } = await forEachApp({ list: ['a', 'b', 'c'] }, async (item) => {
      const before = tenants.getStore();
      tenants.enterWith(item);
      await turn();
      return before;
    });
    const { items } = await registry.run('Worker.run');
    expect(items!.map(({ value }) => value)).toEqual([undefined, undefined, undefined]);
    expect(begun).toHaveLength(3);
  });

  describe('when nobody says how many at once', () => {
    it('[XF6] runs one after the other, in the order of the list', async () => {
      const { held, working, work } = gates('a', 'b', 'c');
      const { registry, begun } = await forEachApp({ list: ['a', 'b', 'c'] }, work);
      const run = registry.run('Worker.run');
      for (const item of ['a', 'b', 'c'] as const) {
        await turns();
        expect([...working]).toEqual([item]);
        held[item].open();
      }
      expect((await run).items!.map(({ value }) => value)).toEqual(['a', 'b', 'c']);
      expect(begun).toEqual(['a', 'b', 'c']);
    });
  });

  describe('when maxConcurrency says how many at once', () => {
    it('[XF6] keeps so many at work, and returns the reports in the order of the list', async () => {
      const { held, working, work } = gates(0, 1, 2, 3, 4);
      const { registry, begun } = await forEachApp(
        { list: [0, 1, 2, 3, 4], handler: { maxConcurrency: 2 } },
        work,
      );
      const run = registry.run('Worker.run');
      await turns();
      expect([...working]).toEqual([0, 1]);
      expect(registry.get('Worker.run').running).toBe(2);
      held[1].open();
      await turns();
      expect([...working]).toEqual([0, 2]);
      held[0].open();
      held[2].open();
      await turns();
      expect([...working]).toEqual([3, 4]);
      held[4].open();
      held[3].open();
      const report = await run;
      expect(begun).toEqual([0, 1, 2, 3, 4]);
      expect(report.items!.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4]);
    });

    it('[XF6] a limit above the number of items runs them all at once', async () => {
      const { held, working, work } = gates('a', 'b');
      const { registry } = await forEachApp(
        { list: ['a', 'b'], handler: { maxConcurrency: 50 } },
        work,
      );
      const run = registry.run('Worker.run');
      await turns();
      expect([...working]).toEqual(['a', 'b']);
      held.a.open();
      held.b.open();
      await run;
    });
  });

  describe('when an item fails', () => {
    const fail = (item: string): string => {
      if (item.startsWith('bad')) throw new Error(`${item} is out of paper`);
      return item;
    };

    it('[D18] [D40] the others run, and the summary has failed with its error', async () => {
      const { registry, begun, finished, log } = await forEachApp(
        { list: ['a', 'bad', 'c'] },
        fail,
      );
      const report = await registry.run('Worker.run');
      expect(begun).toEqual(['a', 'bad', 'c']);
      expect(report).toMatchObject({
        outcome: 'failed',
        phase: 'handler',
        error: { message: 'bad is out of paper' },
      });
      expect(finished.map(({ outcome }) => outcome)).toEqual(['succeeded', 'failed', 'succeeded']);
      // Once, with the id of the item's tick.
      expect(log.of('error')).toEqual([
        expect.stringContaining(`(${report.items![1]!.tickId}, phase handler): bad is out`),
      ]);
    });

    it('[XF6] several failures are one AggregateError, in the order of the list', async () => {
      const { registry } = await forEachApp(
        { list: ['bad 1', 'b', 'bad 2'], handler: { maxConcurrency: 3 } },
        fail,
      );
      const { error, items } = await registry.run('Worker.run');
      expect(error).toBeInstanceOf(AggregateError);
      expect((error as AggregateError).errors).toEqual([items![0]!.error, items![2]!.error]);
    });

    it('[XF6] one that times out counts as failed', async () => {
      const { registry } = await forEachApp(
        { list: ['slow', 'b'], handler: { timeoutMs: 5 } },
        (item: string, { signal }) =>
          item === 'slow' &&
          new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'failed', error: { code: 'TICK_TIMEOUT' } });
      expect(report.items!.map(({ outcome }) => outcome)).toEqual(['timed-out', 'succeeded']);
    });

    it('[A16] retries each item by itself, in its own scope', async () => {
      const tries: string[] = [];
      const { app, registry } = await forEachApp(
        {
          list: ['a', 'b'],
          needs: [Probe],
          providers: PROBES,
          handler: { retry: { attempts: 3 } },
        },
        (item: string, { attempt }) => {
          tries.push(`${item}${attempt}`);
          if (item === 'a' && attempt < 3) throw new Error('busy');
        },
      );
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'succeeded', attempts: 4 });
      expect(report.items!.map(({ attempts }) => attempts)).toEqual([3, 1]);
      expect(tries).toEqual(['a1', 'a2', 'a3', 'b1']);
      expect(app.get(ProbeJournal).created).toHaveLength(4);
    });

    it("'pause' pauses the schedule, and the other items of this list still run", async () => {
      const { registry, begun } = await forEachApp(
        {
          list: ['a', 'bad', 'c', 'd'],
          handler: { onFailure: 'pause', maxConcurrency: 2, disabled: false },
        },
        fail,
      );
      const report = await registry.run('Worker.run');
      expect(begun).toEqual(['a', 'bad', 'c', 'd']);
      expect(report.outcome).toBe('failed');
      expect(registry.get('Worker.run').state).toBe('paused');
    });
  });

  describe('when it is due again while the list runs', () => {
    /** A list of two items that is due each second; each item has a gate. */
    async function secondly(options: HandlerOptions = {}) {
      useFakeClock();
      const begun: string[] = [];
      const held: Gate[] = [];
      @ScopedWorker()
      class Tenants {
        @ScopedInterval(1_000, { forEach: { useFactory: () => ['a', 'b'] }, ...options })
        async sync({ payload, scheduledAt }: Tick): Promise<void> {
          begun.push(`${String(payload)} ${scheduledAt.getTime() - Date.parse(afterNoon(0))}`);
          const item = gate();
          held.push(item);
          await item.opened;
        }
      }
      const test = await startApp({ providers: [Tenants] });
      const release = async (): Promise<void> => {
        held.shift()!.open();
        await advance(0);
      };
      return { ...test, ...heard(test), begun, release };
    }

    it("[XF5] counts as one: 'buffer-one' runs the next list after the last item", async () => {
      const { begun, release, skipped } = await secondly();
      await advance(2_000);
      await release();
      expect(begun).toEqual(['a 1000', 'b 1000']);
      await release();
      expect(begun).toEqual(['a 1000', 'b 1000', 'a 2000']);
      await release();
      await release();
      expect(skipped).toEqual([]);
    });

    it("[XF5] counts as one: 'skip' drops the next list as a whole", async () => {
      const { begun, release, skipped } = await secondly({ overlap: 'skip' });
      await advance(1_500);
      await release();
      await advance(500);
      expect(skipped).toEqual(['Tenants.sync overlap']);
      await release();
      await advance(1_000);
      expect(begun).toEqual(['a 1000', 'b 1000', 'a 3000']);
      await release();
      await release();
    });

    it("[XF5] maxConcurrency is for the items: 'skip' still drops the next list", async () => {
      const { begun, release, skipped } = await secondly({ overlap: 'skip', maxConcurrency: 5 });
      await advance(2_000);
      expect(begun).toEqual(['a 1000', 'b 1000']);
      expect(skipped).toEqual(['Tenants.sync overlap']);
      await release();
      await release();
    });

    it("[XF5] 'cancel-other' ends the list: no further item begins", async () => {
      const seen: string[] = [];
      useFakeClock();
      @ScopedWorker()
      class Tenants {
        @ScopedInterval(1_000, {
          overlap: 'cancel-other',
          forEach: { useFactory: () => ['a', 'b'] },
        })
        sync({ payload, signal, scheduledAt }: Tick): unknown {
          seen.push(`${String(payload)} ${scheduledAt.toISOString().slice(17, 19)}`);
          return new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason as Error)),
          );
        }
      }
      const test = await startApp({ providers: [Tenants] });
      const { finished } = heard(test);
      await advance(2_000);
      await advance(0);
      expect(seen).toEqual(['a 01', 'a 02']);
      expect(finished.slice(0, 1)).toMatchObject([{ outcome: 'cancelled', reason: 'overlap' }]);
      test.registry.cancel('Tenants.sync');
    });
  });

  it('[J1] a long list does not keep its items', async () => {
    const { registry } = await forEachApp({ list: Array.from({ length: 500 }, (_, id) => id) });
    const before = registry.stats();
    const { items }: TickReport = await registry.run('Worker.run');
    expect(items).toHaveLength(500);
    expect(registry.stats()).toMatchObject({
      openScopes: 0,
      runningTicks: 0,
      closedScopes: before.closedScopes + 501,
    });
  });
});
