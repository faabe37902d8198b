import { describe, expect, it, jest } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import { Cron, Interval, ScheduleModule, Timeout, type CronOptions } from '@nestjs/schedule';
import { CronTime } from 'cron';
import {
  ScopedWorker,
  type Engine,
  type ScopedWorkerModuleOptions,
  type EngineSchedule,
} from '../../lib/index.js';
import { adoptingApp, jobClass } from '../support/adoption.js';
import type { Schedule } from '../../lib/schedule/schedule.js';
import { appsOnFakeClock, closeApps, startApp } from '../support/app.js';
import { advance, afterNoon, leap, NOON, useFakeClock } from '../support/fake-clock.js';
import { quietEngine } from '../support/quiet-engine.js';
import { refusal } from '../support/refusal.js';

appsOnFakeClock();

const MINUTELY = '0 * * * * *';

/** The schedule that the engine receives for a decorator of Nest. */
async function scheduleOf(
  decorator: MethodDecorator,
  options: ScopedWorkerModuleOptions = {},
): Promise<Schedule> {
  const given: EngineSchedule[] = [];
  const engine: Engine = quietEngine((schedules) => given.push(...schedules));
  await adoptingApp(
    { providers: [jobClass(Scope.REQUEST, decorator, () => undefined)] },
    { engine, ...options },
  );
  expect(given).toHaveLength(1);
  return given[0] as Schedule; // the library's own object
}

/** The moments, in ms after noon, at which a job begins that takes `workMs`. */
async function begins(
  scope: Scope,
  decorator: MethodDecorator,
  { forMs = 10_000, workMs = 0 }: { forMs?: number; workMs?: number },
): Promise<number[]> {
  useFakeClock();
  const begun: number[] = [];
  let isOver = false;
  const job = jobClass(scope, decorator, async () => {
    if (isOver) return;
    begun.push(Date.now() - NOON.getTime());
    if (workMs > 0) await new Promise((resolve) => setTimeout(resolve, workMs));
  });
  await adoptingApp({ providers: [job] });
  await advance(forMs);
  isOver = true;
  await advance(workMs); // what still runs may end
  await closeApps();
  return begun;
}

describe('What an adopted decorator says', () => {
  describe('is kept:', () => {
    it('[XC2] name, default Class.method', async () => {
      expect((await scheduleOf(Cron(MINUTELY))).name).toBe('Job.run');
      expect((await scheduleOf(Cron(MINUTELY, { name: 'nightly' }))).name).toBe('nightly');
      expect((await scheduleOf(Cron(MINUTELY, { name: '' }))).name).toBe('Job.run');
      expect((await scheduleOf(Interval(1_000))).name).toBe('Job.run');
      expect((await scheduleOf(Interval('poll', 1_000))).name).toBe('poll');
      expect((await scheduleOf(Timeout('once', 1_000))).name).toBe('once');
    });

    it('[XC2] expression, period and delay', async () => {
      expect(await scheduleOf(Cron(MINUTELY))).toMatchObject({
        kind: 'cron',
        expression: MINUTELY,
      });
      expect(await scheduleOf(Interval(1_500))).toMatchObject({ kind: 'interval', everyMs: 1_500 });
      expect(await scheduleOf(Timeout(1_500))).toMatchObject({ kind: 'timeout', everyMs: 1_500 });
    });

    it.each<[option: string, CronOptions, kept: object]>([
      ['timeZone', { timeZone: 'Asia/Tokyo' }, { timeZone: 'Asia/Tokyo' }],
      ['utcOffset', { utcOffset: -90 }, { utcOffset: -90 }],
      ['waitForCompletion', { waitForCompletion: true }, { overlap: 'skip' }],
      ['no waitForCompletion', {}, { overlap: 'allow' }],
      ['disabled', { disabled: true }, { disabled: true }],
      ['initialDelay', { initialDelay: 5_000 } as CronOptions, { initialDelayMs: 5_000 }],
      ['threshold', { threshold: 400 }, { misfire: 'skip', misfireThresholdMs: 400 }],
      ['a negative threshold', { threshold: -400 }, { misfireThresholdMs: 400 }],
      ['threshold: 0', { threshold: 0 }, { misfire: 'skip', misfireThresholdMs: 1 }],
      ['no threshold', {}, { misfire: 'once', misfireThresholdMs: 250 }],
    ])('[XC2] %s', async (_option, given, kept) => {
      expect((await scheduleOf(Cron(MINUTELY, given))).options).toMatchObject(kept);
    });

    it("[XC2] overlap 'allow' for @Interval and @Timeout, which wait for nothing", async () => {
      expect((await scheduleOf(Interval(1_000))).options.overlap).toBe('allow');
      expect((await scheduleOf(Timeout(1_000))).options.overlap).toBe('allow');
    });

    it('[XC2] null as undefined, as `cron` has it', async () => {
      const nothing = { timeZone: null, utcOffset: null, threshold: null, name: null };
      const { name, options } = await scheduleOf(Cron(MINUTELY, nothing as never));
      expect(name).toBe('Job.run');
      expect(options).toMatchObject({
        timeZone: undefined,
        utcOffset: undefined,
        misfireThresholdMs: 250,
      });
    });
  });

  describe('when the cron is a moment', () => {
    const inTenSeconds = new Date(NOON.getTime() + 10_000);

    it.each<[what: string, moment: Date | ReturnType<CronTime['getNextDateFrom']>]>([
      ['Date', inTenSeconds],
      ['luxon DateTime', new CronTime('10 0 12 15 1 *', 'UTC').getNextDateFrom(NOON, 'UTC')],
    ])('[XC2] a %s is one firing at that moment', async (_what, moment) => {
      const begun: string[] = [];
      const job = jobClass(Scope.REQUEST, Cron(moment as Date, { name: 'party' }), () =>
        begun.push(new Date().toISOString()),
      );
      const { registry } = await adoptingApp({ providers: [job] });
      expect(registry.get('party').nextRun).toEqual(inTenSeconds);
      await advance(60_000);
      expect(begun).toEqual([afterNoon(10_000)]);
      expect(registry.get('party').nextRun).toBeUndefined();
    });

    it('[XC2] one that has passed is never due, and stops nothing', async () => {
      const run = jest.fn();
      const past = new Date(NOON.getTime() - 1);
      const { registry } = await adoptingApp({
        providers: [jobClass(Scope.REQUEST, Cron(past), run)],
      });
      await advance(60_000);
      expect(run).not.toHaveBeenCalled();
      expect(registry.get('Job.run').nextRun).toBeUndefined();
    });

    it('[C13, XC2] refuses an invalid date', async () => {
      const error = await refusal({
        imports: [ScheduleModule.forRoot()],
        providers: [jobClass(Scope.REQUEST, Cron(new Date(Number.NaN)), () => undefined)],
        options: { adoptNestSchedules: true },
      });
      expect(error.message).toContain('Job.run: the delay of @Cron is an invalid Date.');
    });
  });

  describe('when a slot is late', () => {
    /** Fires `Job.run` every second, late by so many ms for once. */
    async function late(byMs: number, options?: CronOptions) {
      const begun: string[] = [];
      const job = jobClass(Scope.REQUEST, Cron('* * * * * *', options), () =>
        begun.push(new Date().toISOString()),
      );
      const { events } = await adoptingApp({ providers: [job] });
      const skipped: unknown[] = [];
      events.on('tick:skipped', ({ reason, scheduledAt }) =>
        skipped.push([reason, scheduledAt.toISOString()]),
      );
      await advance(500);
      leap(byMs);
      await advance(500);
      return { begun, skipped };
    }

    it.each([
      ['without a threshold, however late: as `cron` does', 900, undefined],
      ['up to its threshold', 600, { threshold: 600 }],
    ])('[XC2] it runs %s', async (_what, byMs, options) => {
      const { begun, skipped } = await late(byMs, options);
      expect([begun, skipped]).toEqual([[afterNoon(1_000 + byMs)], []]);
    });

    it('[XC2] is skipped and reported above its threshold', async () => {
      const { begun, skipped } = await late(601, { threshold: 600 });
      expect([begun, skipped]).toEqual([[], [['missed', afterNoon(1_000)]]]);
    });

    it('[XC2] a moment that does not come again runs all the same', async () => {
      const run = jest.fn();
      const moment = new Date(NOON.getTime() + 1_000);
      await adoptingApp({ providers: [jobClass(Scope.REQUEST, Cron(moment), run)] });
      await advance(500);
      leap(60_000);
      await advance(500);
      expect(run).toHaveBeenCalledTimes(1);
    });

    it('[XC2] a moment waits for a clock that was set back', async () => {
      const begun: string[] = [];
      const moment = new Date(NOON.getTime() + 10_000);
      const job = jobClass(Scope.REQUEST, Cron(moment), () => begun.push(new Date().toISOString()));
      await adoptingApp({ providers: [job] });
      await advance(5_000);
      leap(-3_600_000);
      await advance(5_000);
      expect(begun).toEqual([]);
      await advance(3_600_000);
      expect(begun).toEqual([afterNoon(10_000)]);
    });
  });

  describe('when it cannot work', () => {
    it.each<[what: string, MethodDecorator, text: RegExp]>([
      ['expression', Cron('every day'), /Job\.run: the cron expression of @Cron cannot be read/],
      [
        'time zone',
        Cron(MINUTELY, { timeZone: 'Mars' }),
        /Job\.run: @Cron option timeZone must be/,
      ],
      [
        'two zones',
        Cron(MINUTELY, { timeZone: 'UTC', utcOffset: 0 } as never),
        /Job\.run: @Cron has both timeZone and utcOffset/,
      ],
      ['period', Interval(0), /Job\.run: the period of @Interval must be a number/],
      ['delay', Timeout(-1), /Job\.run: the delay of @Timeout must be a number/],
      ['missing period', Interval('poll', undefined as never), /Job\.run: the period of @Interval/],
    ])('[C13, XC2] a bad %s is refused, naming Class.method', async (_what, decorator, text) => {
      const error = await refusal({
        imports: [ScheduleModule.forRoot()],
        providers: [jobClass(Scope.REQUEST, decorator, () => undefined)],
        options: { adoptNestSchedules: true },
      });
      expect(error.code).toBe('INVALID_SCHEDULE');
      expect(error.message).toMatch(text);
    });
  });

  describe('beside the options of the module', () => {
    it('[XC2] beats `defaults`, which fill in what it leaves open', async () => {
      const { options } = await scheduleOf(Cron(MINUTELY, { utcOffset: 60 }), {
        defaults: {
          overlap: 'buffer-one',
          timeZone: 'Asia/Tokyo',
          misfire: 'all',
          timeoutMs: 7_000,
          onFailure: 'pause',
        },
      });
      expect(options).toMatchObject({
        overlap: 'allow',
        timeZone: undefined,
        utcOffset: 60,
        misfire: 'all',
        timeoutMs: 7_000,
        onFailure: 'pause',
      });
    });

    it('[XC2] leaves its zone to `defaults` when it has none', async () => {
      const { options } = await scheduleOf(Cron(MINUTELY), {
        defaults: { timeZone: 'Asia/Tokyo', disabled: true },
      });
      expect(options).toMatchObject({ timeZone: 'Asia/Tokyo', disabled: true });
    });

    it('[XC2] is beaten by `overrides` under its name', async () => {
      const overridden = await scheduleOf(Cron(MINUTELY, { name: 'nightly' }), {
        overrides: { nightly: { cron: '@daily', overlap: 'skip', timeZone: 'UTC' } },
      });
      expect(overridden).toMatchObject({
        expression: '@daily',
        options: { overlap: 'skip', timeZone: 'UTC' },
      });
      const slower = await scheduleOf(Interval(1_000), {
        overrides: { 'Job.run': { everyMs: 60_000 } },
      });
      expect(slower.everyMs).toBe(60_000);
    });

    it('[XC2] beats the options of @ScopedWorker()', async () => {
      @ScopedWorker({ overlap: 'skip', timeoutMs: 9_000 })
      class Job {
        @Cron(MINUTELY)
        run(): void {}
      }
      const given: EngineSchedule[] = [];
      await startApp({
        imports: [ScheduleModule.forRoot()],
        providers: [Job],
        options: {
          adoptNestSchedules: true,
          engine: quietEngine((schedules) => given.push(...schedules)),
        },
      });
      expect(given[0]!.options).toMatchObject({ overlap: 'allow', timeoutMs: 9_000 });
    });

    it('[XC10] refuses two of one name, which Nest keeps apart by their kind', async () => {
      @Injectable({ scope: Scope.REQUEST })
      class Job {
        @Interval('test', 1_000)
        interval(): void {}

        @Timeout('test', 1_000)
        timeout(): void {}
      }
      const error = await refusal({
        imports: [ScheduleModule.forRoot()],
        providers: [Job],
        options: { adoptNestSchedules: true },
      });
      expect(error.code).toBe('DUPLICATE_SCHEDULE');
      expect(error.message).toMatch(/Job\.timeout.*"test".*Job\.interval/);
    });
  });

  describe('comes true as with Nest', () => {
    const inTwoSeconds = (): Date => new Date(NOON.getTime() + 2_000);

    it.each<
      [what: string, () => MethodDecorator, { forMs?: number; workMs?: number }, runs: number]
    >([
      ['a cron', () => Cron('*/3 * * * * *'), {}, 3],
      ['a zone', () => Cron('0 0 21 * * *', { timeZone: 'Asia/Tokyo' }), { forMs: 86_400_000 }, 1],
      ['an offset', () => Cron('0 30 10 * * *', { utcOffset: -90 }), { forMs: 86_400_000 }, 1],
      ['a cron that overlaps itself', () => Cron('* * * * * *'), { workMs: 2_500 }, 10],
      [
        'a cron that waits for itself',
        () => Cron('* * * * * *', { waitForCompletion: true }),
        { workMs: 2_500 },
        4,
      ],
      ['a disabled cron', () => Cron('* * * * * *', { disabled: true }), {}, 0],
      ['a Date', () => Cron(inTwoSeconds()), {}, 1],
      ['an interval', () => Interval(700), {}, 14],
      ['an interval that overlaps itself', () => Interval(700), { workMs: 2_500 }, 14],
      ['a timeout', () => Timeout(1_234), {}, 1],
      ['a timeout of 0', () => Timeout(0), {}, 1],
    ])('[XC2, F15] %s', async (_what, decorator, during, runs) => {
      const ofNest = await begins(Scope.DEFAULT, decorator(), during);
      expect(ofNest).toHaveLength(runs);
      expect(await begins(Scope.REQUEST, decorator(), during)).toEqual(ofNest);
    });

    it('[XC2] an initial delay, which Nest knows since 6.1', async () => {
      const decorator = Cron('* * * * * *', { initialDelay: 5_000 } as CronOptions);
      const late = [6_000, 7_000, 8_000, 9_000, 10_000];
      const ofNest = await begins(Scope.DEFAULT, decorator, {});
      expect([late, [1_000, 2_000, 3_000, 4_000, 5_000, ...late]]).toContainEqual(ofNest);
      expect(await begins(Scope.REQUEST, decorator, {})).toEqual(late);
    });
  });
});
