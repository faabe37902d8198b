import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Engine, HandlerOptions, EngineSchedule } from '../../lib/index.js';
import { advance, leap, useFakeClock } from '../support/fake-clock.js';
import { cron, interval, startEngine, timeout } from '../support/schedules.js';

const SECOND = 1_000;
const HOUR = 3_600_000;

/** Schedules of every second, by kind. */
const KINDS: [string, (options?: HandlerOptions) => EngineSchedule][] = [
  ['cron', (options) => cron('a', '* * * * * *', options)],
  ['interval', (options) => interval('a', SECOND, options)],
];

/** Slots of `a`, so many seconds after noon. */
const at = (...seconds: number[]): string[] =>
  seconds.map((second) => `a 12:00:0${second.toFixed(3)}`);

/** What every engine must do with slots that passed while nobody could run them. */
export function describeEngineMisfire(name: string, create: () => Engine): void {
  describe(`engine ${name}`, () => {
    let engine: Engine;

    beforeEach(() => {
      useFakeClock();
      engine = create();
    });

    afterEach(async () => {
      await engine.stop();
      jest.useRealTimers();
    });

    /** Starts the schedule, and lets no timer ring until `seconds` after noon. */
    async function asleepUntil(seconds: number, schedule: EngineSchedule) {
      const host = await startEngine(engine, [schedule]);
      leap(seconds * SECOND - SECOND);
      await advance(SECOND);
      return host;
    }

    describe.each(KINDS)('when the clock leaps over 5 slots: %s', (_kind, everySecond) => {
      it.each([
        ['all', [1, 2, 3, 4, 5], []],
        ['once', [5], [1, 2, 3, 4]],
        ['skip', [], [1, 2, 3, 4, 5]],
        [undefined, [5], [1, 2, 3, 4]],
      ] as const)(
        '[F1][F2] with misfire %p it fires so many of them, each with its own scheduledAt, and the punctual one',
        async (misfire, extra, lost) => {
          const host = await asleepUntil(
            6.1,
            everySecond(misfire === undefined ? {} : { misfire }),
          );
          expect(host.fired).toEqual(at(...extra, 6));
          expect(host.lost).toEqual(at(...lost));
          await advance(SECOND);
          expect(host.fired.slice(extra.length + 1)).toEqual(at(7));
        },
      );

      it.each([
        ['all', [1, 2, 3, 4, 5], []],
        ['once', [5], [1, 2, 3, 4]],
        ['skip', [], [1, 2, 3, 4, 5]],
      ] as const)(
        '[F1] with misfire %p it fires so many when none is punctual, and goes on',
        async (misfire, fired, lost) => {
          const host = await asleepUntil(5.7, everySecond({ misfire }));
          expect([host.fired, host.lost]).toEqual([at(...fired), at(...lost)]);
          await advance(300);
          expect(host.fired.slice(fired.length)).toEqual(at(6));
        },
      );

      it.each(['all', 'once', 'skip'] as const)(
        '[F2] with misfire %p a slot that is late by the threshold is a normal run, by more it is missed',
        async (misfire) => {
          const punctual = await asleepUntil(1.25, everySecond({ misfire }));
          expect([punctual.fired, punctual.lost]).toEqual([at(1), []]);
          leap(251);
          await advance(750);
          const [fired, lost] = misfire === 'skip' ? [at(1), at(2)] : [at(1, 2), []];
          expect([punctual.fired, punctual.lost]).toEqual([fired, lost]);
        },
      );

      it('[F2] takes the threshold of the schedule', async () => {
        const options = { misfire: 'skip', misfireThresholdMs: 700 } as const;
        const host = await asleepUntil(1.7, everySecond(options));
        expect([host.fired, host.lost]).toEqual([at(1), []]);
        leap(701);
        await advance(300);
        expect([host.fired, host.lost]).toEqual([at(1), at(2)]);
      });

      it('lets slots wait their turn that are fired together, and none that is fired alone', async () => {
        const host = await asleepUntil(3.1, everySecond({ misfire: 'all' }));
        await advance(SECOND);
        expect(host.fired).toEqual(at(1, 2, 3, 4));
        const isCatchUp = host.slots.map((slot) => slot.isCatchUp ?? false);
        expect(isCatchUp).toEqual([true, true, true, false]);
      });
    });

    describe('when several slots are punctual', () => {
      const options = { misfireThresholdMs: 10 * SECOND } as const;

      it('[F2] fires all of a cron, under every policy', async () => {
        const schedule = cron('a', '* * * * * *', { ...options, misfire: 'skip' });
        const host = await asleepUntil(4.5, schedule);
        expect([host.fired, host.lost]).toEqual([at(1, 2, 3, 4), []]);
      });

      it('merges those of an interval into the latest', async () => {
        const host = await asleepUntil(4.5, interval('a', SECOND, { ...options, misfire: 'once' }));
        expect([host.fired, host.lost]).toEqual([at(4), at(1, 2, 3)]);
      });

      it('fires all of an interval when all are asked for', async () => {
        const host = await asleepUntil(4.5, interval('a', SECOND, { ...options, misfire: 'all' }));
        expect([host.fired, host.lost]).toEqual([at(1, 2, 3, 4), []]);
      });
    });

    describe('when very many slots were missed', () => {
      it.each(KINDS)(
        "[F1] 'all' fires the latest 1,000, without a gap, and names at most 100: %s",
        async (_kind, everySecond) => {
          const host = await asleepUntil(5_000.1, everySecond({ misfire: 'all' }));
          const seconds = host.slots.map(
            ({ scheduledAt }) => (scheduledAt.getTime() - Date.now() + 5_000_100) / SECOND,
          );
          expect(seconds).toEqual(Array.from({ length: 1_000 }, (_, index) => 4_001 + index));
          expect(host.lost.length).toBeLessThanOrEqual(100);
        },
      );

      it.each(KINDS)("'once' names the latest 100 that it does not fire: %s", async (_kind, of) => {
        const host = await asleepUntil(5_000.1, of());
        expect(host.slots).toHaveLength(2);
        // The latest, 4,999 and 5,000 seconds after noon, are fired.
        expect(host.lost).toHaveLength(100);
        expect(host.lost.at(-1)).toBe('a 13:23:18.000');
        expect(host.lost[0]).toBe('a 13:21:39.000');
      });

      it("[F1] 'all' fires every one of 999", async () => {
        const host = await asleepUntil(999.1, interval('a', SECOND, { misfire: 'all' }));
        expect([host.slots.length, host.lost]).toEqual([999, []]);
      });
    });

    describe('when slots are missed while catch-up runs are still at work', () => {
      it.each([
        ['once', 'are due like any other', [false, false]],
        ['all', 'wait their turn as well', [true, true]],
      ] as const)(
        'with misfire %p they %s, and wait again when it has ended',
        async (misfire, _what, isCatchUp) => {
          const host = await startEngine(engine, [interval('a', SECOND, { misfire })], true);
          leap(1_000);
          await advance(1_100);
          expect(host.slots.map((slot) => slot.isCatchUp)).toEqual([true, true]);
          leap(1_000);
          await advance(1_000);
          expect(host.slots.slice(2).map((slot) => slot.isCatchUp)).toEqual(isCatchUp);

          for (const held of host.running) held.open();
          await advance(0);
          leap(1_000);
          await advance(1_000);
          expect(host.slots.slice(4).map((slot) => slot.isCatchUp)).toEqual([true, true]);
        },
      );

      it("with misfire 'all' they are due like any other once 1,000 wait", async () => {
        const schedule = interval('a', SECOND, { misfire: 'all' });
        const host = await startEngine(engine, [schedule], true);
        for (let round = 0; round < 5; round += 1) {
          leap(900 * SECOND);
          await advance(SECOND);
        }
        const waiting = host.slots.filter((slot) => slot.isCatchUp);
        expect(waiting).toHaveLength(2 * 901);
      });
    });

    describe('when the schedule is of another sort', () => {
      it('fires a late timeout once, unless misfire is skip', async () => {
        const schedules = [
          timeout('once', SECOND),
          timeout('all', SECOND, { misfire: 'all' }),
          timeout('skip', SECOND, { misfire: 'skip' }),
        ];
        const host = await startEngine(engine, schedules);
        leap(4_100);
        await advance(SECOND);
        expect(host.fired.sort()).toEqual(['all 12:00:01.000', 'once 12:00:01.000']);
        expect(host.lost).toEqual(['skip 12:00:01.000']);
        await advance(HOUR);
        expect(host.fired).toHaveLength(2);
      });

      it('fires a punctual timeout, under every policy', async () => {
        const host = await asleepUntil(1.2, timeout('a', SECOND, { misfire: 'skip' }));
        expect([host.fired, host.lost]).toEqual([at(1), []]);
      });

      it('fires the one slot of a fixedDelay, and counts from the end of its run', async () => {
        const schedule = interval('a', SECOND, { fixedDelay: true, misfire: 'all' });
        const host = await asleepUntil(3.5, schedule);
        expect(host.fired).toEqual(at(1));
        await advance(SECOND);
        expect(host.fired).toEqual(at(1, 4.5));
        expect(host.lost).toEqual([]);
      });

      it("counts a period from now when 'skip' drops the slot of a fixedDelay", async () => {
        const schedule = interval('a', SECOND, { fixedDelay: true, misfire: 'skip' });
        const host = await asleepUntil(3.5, schedule);
        expect([host.fired, host.lost]).toEqual([[], at(1)]);
        expect(engine.nextRun('a')?.toISOString()).toBe('2026-01-15T12:00:04.500Z');
        await advance(SECOND);
        expect(host.fired).toEqual(at(4.5));
      });

      it('[D38] fires the tick at the start once, however late, beside what was missed', async () => {
        const schedule = interval('a', SECOND, { runOnStart: true, initialDelayMs: SECOND });
        const host = await asleepUntil(4.1, schedule);
        const starts = host.slots.filter(({ trigger }) => trigger === 'start');
        expect(starts.map(({ scheduledAt }) => scheduledAt.toISOString())).toEqual([
          '2026-01-15T12:00:01.000Z',
        ]);
        await advance(SECOND);
        expect(host.fired).toEqual(at(1, 4, 5));
        expect(host.lost).toEqual(at(2, 3));
      });

      it('takes jitter for no misfire, and fires together what was missed together', async () => {
        const jitterMs = 900;
        jest.spyOn(Math, 'random').mockReturnValue(0.999);
        const schedule = cron('a', '* * * * * *', { jitterMs, misfire: 'skip' });
        const punctual = await startEngine(engine, [schedule]);
        await advance(2_000);
        expect([punctual.fired, punctual.lost]).toEqual([at(1), []]);
        await engine.stop();

        engine = create();
        const host = await startEngine(engine, [interval('a', SECOND, { jitterMs })]);
        leap(3_100);
        await advance(1_000);
        expect(host.fired).toEqual([]);
        await advance(900);
        expect(host.fired).toHaveLength(2);
        jest.restoreAllMocks();
      });
    });

    it('[F2] makes no slot late by the search for it', async () => {
      const schedule = interval('a', SECOND, { misfire: 'skip' });
      const { timeline } = schedule;
      const slow: EngineSchedule = {
        ...schedule,
        timeline: Object.assign(Object.create(timeline) as typeof timeline, {
          after: (due: number) => {
            leap(200);
            return timeline.after(due);
          },
        }),
      };
      const host = await asleepUntil(3.01, slow);
      expect(host.fired).toEqual(at(3));
      expect(host.lost).toEqual(at(1, 2));
    });

    it('keeps the grid after what was missed', async () => {
      await asleepUntil(6.1, interval('a', SECOND, { misfire: 'all' }));
      expect(engine.nextRun('a')?.toISOString()).toBe('2026-01-15T12:00:07.000Z');
    });
  });
}
