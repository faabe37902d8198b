import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  inMemoryQueue,
  InvalidScheduleError,
  ScopedConsumer,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  type HandlerOptions,
  type ScheduleTiming,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp, type TestApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { at, intervalApp, recorder } from '../support/interval-app.js';
import { jobsApp, thrownBy } from '../support/run-time-schedules.js';

appsOnFakeClock();

describe('registry.reschedule()', () => {
  it('[E10] sets another period for an interval, which counts from now', async () => {
    const { due, work } = recorder();
    const { registry } = await intervalApp(1_000, work);
    await advance(1_400);
    const info = registry.reschedule('Poller.poll', { everyMs: 300 });
    expect(info).toEqual(registry.get('Poller.poll'));
    expect(info).toMatchObject({ everyMs: 300, nextRun: new Date(afterNoon(1_700)) });
    await advance(700);
    expect(due).toEqual(at(1_000, 1_700, 2_000));
    registry.reschedule('Poller.poll', { everyMs: 5_000 });
    await advance(5_000);
    expect(due).toEqual(at(1_000, 1_700, 2_000, 7_100));
  });

  it('[XF3] sets another expression for a cron, in the zone that it has', async () => {
    @ScopedWorker()
    class Reports {
      @ScopedCron('0 0 8 * * *', { timeZone: 'Europe/Berlin' })
      nightly(): void {}
    }
    const { registry } = await startApp({ providers: [Reports] });
    expect(registry.reschedule('Reports.nightly', { cron: '0 30 14 * * *' })).toMatchObject({
      expression: '0 30 14 * * *',
      timeZone: 'Europe/Berlin',
      nextRun: new Date('2026-01-15T13:30:00Z'),
    });
  });

  it('[XF3] reports each change once, when it applies', async () => {
    const { registry, events, changes } = await jobsApp();
    const seen: unknown[] = [];
    events.on('schedule:changed', ({ schedule }) => seen.push(registry.get(schedule).everyMs));
    registry.reschedule('Jobs.poll', { everyMs: 5_000 });
    registry.reschedule('Jobs.poll', { everyMs: 5_000 });
    expect(changes).toEqual([
      { schedule: 'Jobs.poll', change: 'rescheduled' },
      { schedule: 'Jobs.poll', change: 'rescheduled' },
    ]);
    expect(seen).toEqual([5_000, 5_000]);
  });

  it('[XF3] keeps its place in the list, and its last report', async () => {
    const { registry } = await jobsApp();
    await registry.run('Jobs.hourly');
    const names = registry.list().map(({ name }) => name);
    registry.reschedule('Jobs.hourly', { everyMs: 1_000 });
    expect(registry.list().map(({ name }) => name)).toEqual(names);
    expect(registry.get('Jobs.hourly').lastReport?.outcome).toBe('succeeded');
  });

  it('[XF3] a cron becomes an interval and an interval a cron', async () => {
    const { registry, ran } = await jobsApp();
    registry.reschedule('Jobs.hourly', { everyMs: 2_000 });
    registry.reschedule('Jobs.poll', { cron: '*/3 * * * * *' });
    expect(registry.get('Jobs.hourly')).toMatchObject({
      kind: 'interval',
      expression: undefined,
      everyMs: 2_000,
    });
    expect(registry.get('Jobs.poll')).toMatchObject({
      kind: 'cron',
      expression: '*/3 * * * * *',
      everyMs: undefined,
    });
    await advance(4_000);
    expect(ran).toEqual([
      'Jobs.hourly interval 12:00:02.000',
      'Jobs.poll cron 12:00:03.000',
      'Jobs.hourly interval 12:00:04.000',
    ]);
    registry.reschedule('Jobs.hourly', { cron: '0 0 * * * *' });
    expect(registry.get('Jobs.hourly')).toMatchObject({
      kind: 'cron',
      nextRun: new Date(afterNoon(3_600_000)),
    });
  });

  it('[XF3] a timeout becomes an interval, and is due again', async () => {
    const due: string[] = [];
    @ScopedWorker()
    class Once {
      @ScopedTimeout(1_000)
      run({ scheduledAt }: Tick): void {
        due.push(scheduledAt.toISOString());
      }
    }
    const { registry } = await startApp({ providers: [Once] });
    await advance(2_000);
    registry.reschedule('Once.run', { everyMs: 500 });
    await advance(1_000);
    expect(due).toEqual(at(1_000, 2_500, 3_000));
  });

  it('[XF3] lets the tick that runs go on, and its overlap rule holds', async () => {
    const held = gate();
    const { begun, work } = recorder({ 1: held });
    const { registry, next } = await intervalApp(1_000, work);
    await advance(1_000);
    registry.reschedule('Poller.poll', { everyMs: 100 });
    await advance(250);
    expect(begun).toEqual(at(1_000));
    const finished = next('tick:finished');
    held.open();
    expect(await finished).toMatchObject({
      outcome: 'succeeded',
      scheduledAt: new Date(afterNoon(1_000)),
    });
    await advance(0);
    expect(begun).toEqual(at(1_000, 1_250));
  });

  it('[XF3] drops nothing that waits behind the tick that runs', async () => {
    const held = gate();
    const { due, work } = recorder({ 1: held });
    const { registry } = await intervalApp(1_000, work);
    await advance(2_000);
    registry.reschedule('Poller.poll', { everyMs: 60_000 });
    held.open();
    await advance(0);
    expect(due).toEqual(at(1_000, 2_000));
  });

  it('[XF3] keeps the options: neither the delay nor the tick of a start comes again', async () => {
    const { due, work } = recorder();
    const { registry } = await intervalApp(1_000, work, {
      runOnStart: true,
      initialDelayMs: 5_000,
      timeoutMs: 50,
    });
    await advance(5_000);
    expect(due).toEqual(at(5_000));
    registry.reschedule('Poller.poll', { everyMs: 700 });
    await advance(1_400);
    expect(due).toEqual(at(5_000, 5_700, 6_400));
  });

  it('[XF3] a fixed delay counts from the end of a run under the new period', async () => {
    const held = gate();
    const { begun, work } = recorder({ 2: held });
    const { registry } = await intervalApp(1_000, work, { fixedDelay: true });
    registry.reschedule('Poller.poll', { everyMs: 400 });
    await advance(1_000);
    expect(begun).toEqual(at(400, 800));
    held.open();
    await advance(400);
    expect(begun).toEqual(at(400, 800, 1_400));
  });

  it.each<[string, ScheduleTiming, HandlerOptions]>([
    ['a cron', { cron: '0 0 0 1 1 *' }, {}],
    ["'-'", { cron: '-' }, {}],
    ['a cron that was started', { cron: '0 0 0 1 1 *' }, { disabled: true }],
  ])('[XF3] a fixed delay is still one after it was %s', async (_, between, others) => {
    const held = gate();
    const { begun, work } = recorder({ 1: held });
    const { registry } = await intervalApp(1_000, work, { fixedDelay: true, ...others });
    registry.reschedule('Poller.poll', between);
    if (others.disabled) registry.start('Poller.poll');
    registry.reschedule('Poller.poll', { everyMs: 1_000 });
    await advance(1_300);
    held.open();
    await advance(900);
    expect(begun).toEqual(at(1_000));
    await advance(100);
    expect(begun).toEqual(at(1_000, 2_300));
  });

  describe("when the timing is '-'", () => {
    it('[XF3] [C17] switches a cron off, and back on', async () => {
      const { registry, ran } = await jobsApp();
      expect(registry.reschedule('Jobs.hourly', { cron: '-' })).toMatchObject({
        kind: 'cron',
        expression: '-',
        state: 'disabled',
        nextRun: undefined,
      });
      await advance(3_600_000);
      expect(ran.filter((tick) => tick.startsWith('Jobs.hourly'))).toEqual([]);
      expect((await registry.run('Jobs.hourly')).outcome).toBe('succeeded');
      registry.reschedule('Jobs.hourly', { cron: '*/10 * * * * *' });
      expect(registry.get('Jobs.hourly').state).toBe('active');
      await advance(10_000);
      expect(ran.filter((tick) => tick.startsWith('Jobs.hourly cron'))).toHaveLength(1);
    });

    it('[XF3] [C17] switches an interval off, which stays one, and back on', async () => {
      const { registry, ran } = await jobsApp();
      expect(registry.reschedule('Jobs.poll', { cron: '-' })).toMatchObject({
        kind: 'interval',
        expression: undefined,
        everyMs: undefined,
        state: 'disabled',
      });
      await advance(120_000);
      expect(ran).toEqual([]);
      registry.reschedule('Jobs.poll', { everyMs: 1_000 });
      await advance(1_000);
      expect(ran).toEqual(['Jobs.poll interval 12:02:01.000']);
    });

    it('[XF3] [C17] switches on what its decorator had switched off', async () => {
      const due: string[] = [];
      @ScopedWorker()
      class Off {
        @ScopedCron('-')
        run({ scheduledAt }: Tick): void {
          due.push(scheduledAt.toISOString());
        }
      }
      const { registry } = await startApp({ providers: [Off] });
      registry.reschedule('Off.run', { cron: '* * * * * *' });
      await advance(2_000);
      expect(due).toEqual(at(1_000, 2_000));
    });

    it('[XF3] [C17] does not switch on what `disabled` has switched off', async () => {
      const due: string[] = [];
      @ScopedWorker()
      class Off {
        @ScopedInterval(1_000, { disabled: true })
        run({ scheduledAt }: Tick): void {
          due.push(scheduledAt.toISOString());
        }
      }
      const { registry } = await startApp({ providers: [Off] });
      expect(registry.reschedule('Off.run', { everyMs: 500 })).toMatchObject({
        state: 'disabled',
        everyMs: 500,
        nextRun: undefined,
      });
      await advance(2_000);
      expect(due).toEqual([]);
    });
  });

  describe('when the schedule is paused', () => {
    it.each<[string, ScheduleTiming[]]>([
      ['another period', [{ everyMs: 500 }]],
      ['a cron', [{ cron: '* * * * * *' }]],
      ["'-' and back", [{ cron: '-' }, { everyMs: 500 }]],
    ])('[XF3] it stays so until it is resumed: %s', async (_, timings) => {
      const { due, work } = recorder();
      const { registry } = await intervalApp(1_000, work);
      registry.pause('Poller.poll');
      for (const timing of timings) registry.reschedule('Poller.poll', timing);
      expect(registry.get('Poller.poll')).toMatchObject({ state: 'paused', nextRun: undefined });
      await advance(3_000);
      expect(due).toEqual([]);
      registry.resume('Poller.poll');
      expect(registry.get('Poller.poll').nextRun).toBeInstanceOf(Date);
      await advance(1_000);
      expect(due.length).toBeGreaterThan(0);
    });
  });

  describe('when the timing cannot work', () => {
    it.each<[string, unknown, string]>([
      ['a period of 0', { everyMs: 0 }, 'the period must be'],
      ['a negative period', { everyMs: -1 }, 'not -1'],
      ['a period that is NaN', { everyMs: Number.NaN }, 'not NaN'],
      ['a period that is too long', { everyMs: 2 ** 32 }, 'not 4294967296'],
      ['a period as text', { everyMs: '1000' }, 'not "1000"'],
      ['a bad expression', { cron: 'hourly' }, 'the cron expression cannot be read'],
      ['a Date', { cron: new Date() }, 'must be a string'],
      ['both', { cron: '* * * * * *', everyMs: 1_000 }, 'has both cron and everyMs'],
      ['neither', {}, 'needs either cron'],
      ['undefined', undefined, 'needs either cron'],
      ['null', null, 'needs either cron'],
      ['a string', '* * * * * *', 'needs either cron'],
      ['a zone', { cron: '* * * * * *', timeZone: 'UTC' }, 'takes cron or everyMs, not timeZone'],
      ['an option', { everyMs: 500, overlap: 'allow' }, 'takes cron or everyMs, not overlap'],
    ])('[XF3] refuses %s in one sentence, and the old one stays', async (_, timing, words) => {
      const { due, work } = recorder();
      const { registry, events } = await intervalApp(1_000, work);
      const changes: unknown[] = [];
      events.on('schedule:changed', (change) => changes.push(change));
      await advance(400);
      const before = registry.get('Poller.poll');
      const error = thrownBy(() => registry.reschedule('Poller.poll', timing as ScheduleTiming));
      expect(error).toBeInstanceOf(InvalidScheduleError);
      expect(error.problems).toHaveLength(1);
      expect(error.message).toContain(words);
      expect(error.message).toMatch(/^registry\.reschedule\("Poller\.poll"\): \S.*[^.]\.$/);
      expect([registry.get('Poller.poll'), changes]).toEqual([before, []]);
      await advance(600);
      expect(due).toEqual(at(1_000));
    });

    it('[XF3] refuses a consumer in one sentence, which pause() and resume() serve', async () => {
      @ScopedWorker()
      class Mailer {
        @ScopedConsumer('queue')
        send(): void {}
      }
      const queue = inMemoryQueue();
      const { registry } = await startApp({
        providers: [Mailer, { provide: 'queue', useValue: queue }],
      });
      for (const timing of [{ everyMs: 1_000 }, { cron: '-' }]) {
        const error = thrownBy(() => registry.reschedule('Mailer.send', timing as ScheduleTiming));
        expect(error.message).toBe(
          'registry.reschedule("Mailer.send"): a consumer has no timing; pause it instead.',
        );
      }
      registry.pause('Mailer.send');
      expect(registry.get('Mailer.send').state).toBe('paused');
    });
  });

  it('[XF3] is harmless once the shutdown has begun', async () => {
    const { app, registry, next } = await jobsApp();
    const stopping = next('shutdown:started');
    const closed = app.close();
    await stopping;
    expect(registry.reschedule('Jobs.poll', { everyMs: 1 })).toMatchObject({ everyMs: 1 });
    await closed;
    expect(jest.getTimerCount()).toBe(0);
  });

  describe('whose tick waited for its jitter, and changes the schedule as it begins', () => {
    /** The schedule `poll`, whose tick of the first second waits for its jitter, 500 ms long. */
    async function jittered(work: (registry: TestApp['registry']) => unknown) {
      const due: string[] = [];
      const test = await startApp({});
      jest.spyOn(Math, 'random').mockReturnValue(0.5); // Nest draws its ids from it as well
      await advance(0);
      test.registry.add({
        name: 'poll',
        everyMs: 1_000,
        jitterMs: 1_000,
        handler: ({ scheduledAt }) => {
          due.push(scheduledAt.toISOString());
          if (due.length === 1) work(test.registry);
        },
      });
      await advance(1_200);
      return { ...test, due };
    }
    afterEach(() => {
      jest.restoreAllMocks();
    });

    it('[XF3] [D41] lets the inner call win, fires on one grid, and leaves no timer', async () => {
      const { app, registry, due } = await jittered((inner) =>
        inner.reschedule('poll', { everyMs: 2_000 }),
      );
      registry.reschedule('poll', { everyMs: 5_000 });
      await advance(6_600);
      expect(due).toEqual(at(1_000, 3_200, 5_200, 7_200));
      expect(registry.get('poll').nextRun).toEqual(new Date(afterNoon(9_200)));
      await app.close();
      expect(jest.getTimerCount()).toBe(0);
    });

    it('[F21] [D41] stays removed, and leaves no timer', async () => {
      const { app, registry, events, due } = await jittered((inner) => inner.remove('poll'));
      const skipped: unknown[] = [];
      events.on('tick:skipped', (report) => skipped.push(report));
      registry.reschedule('poll', { everyMs: 5_000 });
      await advance(0); // the handler runs after this call
      expect(jest.getTimerCount()).toBe(0);
      await advance(20_000);
      expect([due, skipped, registry.has('poll')]).toEqual([at(1_000), [], false]);
      await app.close();
    });
  });
});
