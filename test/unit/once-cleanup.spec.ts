import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScopedWorkerEvents, type ScopedWorkerModuleOptions } from '../../lib/index.js';
import { OnceCleanup } from '../../lib/lifecycle/once-cleanup.js';
import { ScheduleBook } from '../../lib/registry/schedule-book.js';
import { ModuleOptionsStore } from '../../lib/options/module-options-store.js';
import { OnceStores } from '../../lib/tick/once.js';
import { gate, type Gate } from '../support/gate.js';
import { NOON, useFakeClock } from '../support/fake-clock.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('The cleanup of the records of once', () => {
  let stores: OnceStores;
  const book = new ScheduleBook();
  let cleanup: OnceCleanup;
  let failures: unknown[];
  /** How old, in ms, the records must be that were deleted. */
  let deleted: number[];
  let held: Gate | undefined;
  let stopping: AbortSignal | undefined;

  beforeEach(() => {
    useFakeClock();
    stores = new OnceStores();
    deleted = [];
    failures = [];
    held = undefined;
  });
  afterEach(() => {
    cleanup.stop();
    jest.useRealTimers();
  });

  const start = (once: ScopedWorkerModuleOptions['once'] = {}, error?: Error): void => {
    stores.add({
      dataSource: 'default',
      problem: () => Promise.resolve(undefined),
      deleteBefore: async (time, signal) => {
        stopping = signal;
        deleted.push(Date.now() - time.getTime());
        await held?.opened;
        if (error !== undefined) throw error;
      },
    });
    stores.use('default');
    const options = new ModuleOptionsStore();
    options.declare({ once });
    const events = new ScopedWorkerEvents();
    events.on('failure:stray', (failure) => failures.push(failure));
    cleanup = new OnceCleanup(stores, book, options, events);
    cleanup.start();
  };

  it('deletes what is older than 7 days, at start-up and then once an hour', async () => {
    start();
    await jest.advanceTimersByTimeAsync(2 * HOUR_MS);
    expect(deleted).toEqual([7 * DAY_MS, 7 * DAY_MS, 7 * DAY_MS]);
    expect(cleanup.stragglers()).toEqual([]);
    cleanup.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('deletes more often what is kept for a short time', async () => {
    start({ keepForMs: 60_000 });
    await jest.advanceTimersByTimeAsync(12_000);
    expect(deleted).toEqual([60_000, 60_000, 60_000]);
  });

  it('does nothing without a schedule that needs it', async () => {
    cleanup = new OnceCleanup(stores, book, new ModuleOptionsStore(), new ScopedWorkerEvents());
    cleanup.start();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('begins with a schedule that is added later', async () => {
    start();
    cleanup.stop();
    deleted = [];
    const added = { name: 'added', options: { once: { dataSource: 'default' } } };
    book.put(added as never);
    const fresh = new OnceStores();
    fresh.add(stores.use('default')!);
    const events = new ScopedWorkerEvents();
    cleanup = new OnceCleanup(fresh, book, new ModuleOptionsStore(), events);
    cleanup.start();
    await jest.advanceTimersByTimeAsync(HOUR_MS);
    expect(deleted).toEqual([]);
    events.emit('schedule:changed', { schedule: 'added', change: 'added' });
    await jest.advanceTimersByTimeAsync(HOUR_MS);
    expect(deleted).toHaveLength(2);
  });

  it('does not begin again before it has ended, and the shutdown waits for it', async () => {
    held = gate();
    start();
    await jest.advanceTimersByTimeAsync(3 * HOUR_MS);
    expect(deleted).toHaveLength(1);
    expect(stopping!.aborted).toBe(false);
    cleanup.stop();
    expect(stopping!.aborted).toBe(true);
    const [straggler] = cleanup.stragglers();
    held.open();
    await straggler!.done;
    expect(cleanup.stragglers()).toEqual([]);
  });

  it('tries again after a failure', async () => {
    const error = new Error('no connection');
    start({}, error);
    await jest.advanceTimersByTimeAsync(2 * HOUR_MS);
    expect(failures).toMatchObject([
      { where: 'once-cleanup', error },
      { where: 'once-cleanup', error },
      { where: 'once-cleanup', error },
    ]);
    expect(Date.now()).toBe(NOON.getTime() + 2 * HOUR_MS);
  });
});
