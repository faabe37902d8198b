import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { OnModuleDestroy } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { ScopedWorkerRegistry } from '../../lib/index.js';
import { ScopedWorkerServices } from '../../lib/scoped-worker-services.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { jobsApp } from '../support/run-time-schedules.js';

const nothing = (): void => undefined;

/** The sizes of every map and set that an object of the library holds, private ones included. */
function sizesOf(app: Awaited<ReturnType<typeof startApp>>['app']): Record<string, number> {
  const { book } = app.get(ScopedWorkerServices, { strict: false });
  return { schedules: book.all.length, last: book.lastReport('row 0') === undefined ? 0 : 1 };
}

describe('schedules that come and go', () => {
  afterEach(async () => {
    await closeApps();
    jest.useRealTimers();
  });

  describe('on the fake clock', () => {
    beforeEach(() => useFakeClock());

    it('[J1] 2,000 of them leave no schedule and no timer', async () => {
      const { app, registry, changes, ran } = await jobsApp();
      const before = { timers: jest.getTimerCount(), ...sizesOf(app) };
      for (let row = 0; row < 2_000; row += 1) {
        const name = `row ${row}`;
        const timing = row % 2 === 0 ? { cron: '* * * * * *' } : { everyMs: 1_000 };
        registry.add({ name, handler: 'Jobs.plain', ...timing, jitterMs: 100 });
        if (row % 3 === 0) registry.pause(name);
        if (row % 5 === 0) registry.reschedule(name, { everyMs: 10 });
        registry.remove(name);
      }
      expect({ timers: jest.getTimerCount(), ...sizesOf(app) }).toEqual(before);
      expect(changes.length).toBeGreaterThan(4_000);
      await advance(2_000);
      expect(ran).toEqual([]);
    });

    it('[J1] 1,000 that have run and been skipped leave no report, no tick and no scope', async () => {
      const { app, registry } = await jobsApp();
      const before = { timers: jest.getTimerCount(), ...sizesOf(app) };
      for (let row = 0; row < 1_000; row += 1) {
        const held = gate();
        const name = `row ${row}`;
        registry.add({ name, handler: () => held.opened, everyMs: 1_000, overlap: 'skip' });
        const runs = [registry.run(name), registry.run(name)];
        if (row % 2 === 0) registry.remove(name);
        held.open();
        await Promise.all(runs);
        if (row % 2 === 1) registry.remove(name);
      }
      expect({ timers: jest.getTimerCount(), ...sizesOf(app) }).toEqual(before);
      expect(registry.stats()).toMatchObject({ openScopes: 0, runningTicks: 0, schedules: 2 });
    });
  });

  it('[J1] what was removed can be collected', async () => {
    const { registry } = await startApp({});
    const handlers = await addAndRemove(registry, 20);
    await collectGarbage();
    expect(handlers.filter((handler) => handler.deref() !== undefined)).toEqual([]);
  });

  it('[J6] the store of the code that added one is not kept while it lives', async () => {
    const { registry } = await startApp({});
    const stores = addFromRequests(registry, 20);
    await collectGarbage();
    expect(stores.filter((store) => store.deref() !== undefined)).toEqual([]);
    expect(registry.list()).toHaveLength(20);
  });

  it('[D3] an engine that starts when the application is closed meanwhile is stopped before anything is destroyed', async () => {
    const told: string[] = [];
    const starting = gate();
    const begun = gate();
    class Pool implements OnModuleDestroy {
      onModuleDestroy(): void {
        told.push('pool destroyed');
      }
    }
    const { app } = await compileApp({
      providers: [Pool],
      options: {
        engine: {
          name: 'slow',
          start: async () => {
            begun.open();
            await starting.opened;
            told.push('started');
          },
          stop: async () => {
            await Promise.resolve();
            told.push('stopped');
          },
          add: nothing,
          replace: nothing,
          remove: nothing,
          pause: nothing,
          resume: nothing,
          nextRun: () => undefined,
        },
      },
    });
    const http = app.createNestApplication(); // `close()` of an application context waits for `init()`
    const starts = http.init();
    await begun.opened;
    const closed = http.close();
    await new Promise((resolve) => setImmediate(resolve));
    starting.open();
    await Promise.allSettled([starts, closed]);
    expect(told).toEqual(['started', 'stopped', 'pool destroyed']);
  });
});

/** In a separate function, so that no variable of the test holds a handler. */
async function addAndRemove(
  registry: ScopedWorkerRegistry,
  count: number,
): Promise<WeakRef<object>[]> {
  const handlers: WeakRef<object>[] = [];
  for (let row = 0; row < count; row += 1) {
    const handler = (): number => row;
    handlers.push(new WeakRef(handler));
    registry.add({ name: `row ${row}`, handler, everyMs: 60_000 });
    await registry.run(`row ${row}`);
    registry.reschedule(`row ${row}`, { cron: '0 0 0 1 1 *' });
    registry.remove(`row ${row}`);
  }
  return handlers;
}

function addFromRequests(registry: ScopedWorkerRegistry, count: number): WeakRef<object>[] {
  const requests = new AsyncLocalStorage<object>();
  return Array.from({ length: count }, (_, row) => {
    const store = { request: row };
    requests.run(store, () =>
      registry.add({ name: `row ${row}`, handler: nothing, everyMs: 60_000 }),
    );
    return new WeakRef(store);
  });
}
