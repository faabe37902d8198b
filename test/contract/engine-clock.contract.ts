import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Engine } from '../../lib/index.js';
import { advance, leap, useFakeClock } from '../support/fake-clock.js';
import { cron, interval, startEngine, timeout } from '../support/schedules.js';

const SECOND = 1_000;
const HOUR = 3_600_000;

/** What every engine must do when the wall clock leaps: a machine slept, or somebody set the clock. */
export function describeEngineClock(name: string, create: () => Engine): void {
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

    describe('when the clock leaps over slots', () => {
      it('fires the latest of them and the current one, names those before as missed, and goes on', async () => {
        const host = await startEngine(engine, [interval('a', SECOND), cron('b', '* * * * * *')]);
        leap(4_200);
        await advance(1_000);
        for (const name of ['a', 'b']) {
          const of = (slots: string[]): string[] => slots.filter((slot) => slot.startsWith(name));
          const at = (...seconds: number[]): string[] =>
            seconds.map((second) => `${name} 12:00:0${second}.000`);
          expect(of(host.fired)).toEqual(at(4, 5));
          expect(of(host.lost)).toEqual(at(1, 2, 3));
        }
        await advance(1_000);
        expect(host.fired.slice(4).sort()).toEqual(['a 12:00:06.000', 'b 12:00:06.000']);
      });

      it('names nothing when none was missed', async () => {
        const host = await startEngine(engine, [interval('a', SECOND)]);
        leap(400);
        await advance(1_000);
        expect([host.fired, host.lost]).toEqual([['a 12:00:01.000'], []]);
      });

      it.each([
        ['an hourly cron, where none is punctual', cron('a', '0 0 * * * *'), 1],
        ['a cron of every second', cron('a', '* * * * * *'), 2],
        ['an interval of an hour, where none is punctual', interval('a', HOUR), 1],
        ['an interval of 10 ms', interval('a', 10), 2],
      ])('fires the latest and what is punctual, after weeks: %s', async (_, schedule, count) => {
        const host = await startEngine(engine, [schedule]);
        await advance(5);
        leap(500 * HOUR);
        jest.advanceTimersToNextTimer();
        await advance(0);
        expect(host.fired).toHaveLength(count);
        for (const { scheduledAt } of host.slots)
          expect(Date.now() - scheduledAt.getTime()).toBeLessThan(HOUR);
        const next = engine.nextRun('a')!.getTime();
        expect(next).toBeGreaterThan(Date.now());
      });
    });

    describe('when the clock is set back', () => {
      it('goes on, and fires no interval or timeout early', async () => {
        const schedules = [interval('a', 90 * SECOND), timeout('b', 90 * SECOND)];
        const host = await startEngine(engine, schedules);
        await advance(30 * SECOND);
        leap(-24 * HOUR);
        await advance(59 * SECOND);
        expect(host.fired).toEqual([]);
        await advance(180 * SECOND);
        expect(host.fired.some((slot) => slot.startsWith('a'))).toBe(true);
        expect(host.fired.filter((slot) => slot.startsWith('b'))).toHaveLength(1);
      });

      it('keeps the rest of an initial delay and of a jitter', async () => {
        const random = jest.spyOn(Math, 'random').mockReturnValue(0.9);
        const host = await startEngine(engine, [
          interval('start', HOUR, { runOnStart: true, initialDelayMs: 100 * SECOND }),
          timeout('late', SECOND, { jitterMs: 110 * SECOND }),
        ]);
        await advance(30 * SECOND);
        random.mockRestore();
        leap(-HOUR);
        await advance(69 * SECOND);
        expect(host.fired).toEqual([]);
        await advance(2 * SECOND);
        expect(host.fired).toHaveLength(2);
      });

      it('fires a cron at its next due time on the new clock', async () => {
        const host = await startEngine(engine, [cron('a', '0 */5 * * * *')]);
        leap(-24 * HOUR);
        await advance(300 * SECOND);
        expect(host.fired).toEqual(['a 12:05:00.000']);
        expect(host.slots[0]!.scheduledAt.getTime()).toBe(Date.now());
      });
    });
  });
}
