import { jest } from '@jest/globals';
import { ScopedCron, ScopedInterval, ScopedWorker, type TickReport } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { advance, leap, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

describe('A skipped tick', () => {
  let held = gate();
  let calls = 0;

  @ScopedWorker()
  class Holding {
    constructor(readonly probe: Probe) {}

    @ScopedCron(YEARLY)
    async skip(): Promise<void> {
      calls += 1;
      await held.opened;
    }

    @ScopedCron(YEARLY, { overlap: 'buffer-one' })
    async buffer(): Promise<void> {
      calls += 1;
      await held.opened;
    }

    @ScopedInterval(1_000)
    everySecond(): void {
      calls += 1;
    }
  }

  const onOpen = jest.fn<() => void>();

  const start = (): Promise<TestApp> =>
    startApp({ providers: [...PROBES, Holding], options: { onOpen } });

  /** Nothing was constructed, no scope was opened, no hook was called. */
  function expectNothingBuilt({ app, registry }: TestApp, report: TickReport, built: number): void {
    expect(report).toMatchObject({ outcome: 'skipped', built: 0, disposed: 0, attempts: 0 });
    expect(app.get(ProbeJournal).created).toHaveLength(built);
    expect(registry.stats().openedScopes).toBe(built);
    expect(onOpen).toHaveBeenCalledTimes(built);
    expect(calls).toBe(built);
  }

  beforeEach(() => {
    held = gate();
    calls = 0;
    onOpen.mockClear();
  });

  afterEach(async () => {
    held.open();
    await closeApps();
    jest.useRealTimers();
  });

  describe('when the one before it still runs', () => {
    it('[A21] constructs nothing at all', async () => {
      const test = await start();
      const running = test.registry.run('Holding.skip');
      const started = test.registry.stats().openedScopes;
      expect(started).toBe(1);
      const skipped = await test.registry.run('Holding.skip');
      expect(skipped.reason).toBe('overlap');
      held.open();
      expect(await running).toMatchObject({ outcome: 'succeeded', built: 2 });
      expectNothingBuilt(test, skipped, 1);
    });

    it('[A21] and its neighbor that is due later is built', async () => {
      const test = await start();
      held.open();
      await test.registry.run('Holding.skip');
      expect(await test.registry.run('Holding.skip')).toMatchObject({ outcome: 'succeeded' });
      expect(test.app.get(ProbeJournal).created).toHaveLength(2);
    });
  });

  describe('when a later one took its place in the buffer', () => {
    it('[A21] constructs nothing at all', async () => {
      const test = await start();
      const first = test.registry.run('Holding.buffer');
      const merged = test.registry.run('Holding.buffer');
      const last = test.registry.run('Holding.buffer');
      const report = await merged;
      expect(report.reason).toBe('merged');
      held.open();
      expect(await first).toMatchObject({ outcome: 'succeeded' });
      expect(await last).toMatchObject({ outcome: 'succeeded' });
      expectNothingBuilt(test, report, 2);
    });
  });

  describe('when the application is shutting down', () => {
    it('[A21] constructs nothing at all', async () => {
      const test = await start();
      await test.app.close();
      const report = await test.registry.run('Holding.skip');
      expect(report.reason).toBe('stopping');
      expectNothingBuilt(test, report, 0);
    });
  });

  describe('when a timer is due', () => {
    beforeEach(() => {
      useFakeClock();
    });

    it('[A21] while the schedule is paused, nothing is constructed', async () => {
      const test = await start();
      test.registry.pause('Holding.everySecond');
      await advance(5_000);
      expect(test.app.get(ProbeJournal).created).toEqual([]);
      expect(test.registry.stats().openedScopes).toBe(0);

      test.registry.resume('Holding.everySecond');
      await advance(1_000);
      expect(test.app.get(ProbeJournal).created).toHaveLength(1);
    });

    it('[A21] for a slot that passed while nobody could run it, nothing is constructed', async () => {
      const test = await start();
      const skipped: TickReport[] = [];
      test.events.on('tick:skipped', (report) => void skipped.push(report));
      // The machine sleeps: the clock goes on, and no timer rings.
      leap(5_000);
      await advance(1_000);
      expect(skipped.map(({ reason }) => reason)).toEqual(['missed', 'missed', 'missed', 'missed']);
      // The latest of the missed slots is caught up, and the current one is punctual.
      expect(test.app.get(ProbeJournal).created).toHaveLength(2);
      for (const report of skipped) expectNothingBuilt(test, report, 2);
    });
  });
});
