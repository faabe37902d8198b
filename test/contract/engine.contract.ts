import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Engine } from '../../lib/index.js';
import { advance, leap, NOON, useFakeClock } from '../support/fake-clock.js';
import { cron, interval, startEngine, timeout } from '../support/schedules.js';

const SECOND = 1_000;
const HOUR = 3_600_000;

/** What every engine must do, from every source of ticks. The clock is faked and shows 12:00. */
export function describeEngine(name: string, create: () => Engine): void {
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

    it('has a name', () => {
      expect(engine.name).toMatch(/^\S+$/);
    });

    it('fires each slot of a cron once, when it is due', async () => {
      const host = await startEngine(engine, [cron('cron', '*/2 * * * * *')]);
      await advance(1_999);
      expect(host.fired).toEqual([]);
      await advance(4_001);
      expect(host.fired).toEqual(['cron 12:00:02.000', 'cron 12:00:04.000', 'cron 12:00:06.000']);
      expect(host.lost).toEqual([]);
    });

    it('[E4] fires an interval first after one period, then on its grid', async () => {
      const host = await startEngine(engine, [interval('interval', 1_500)]);
      await advance(4_500);
      expect(host.fired).toEqual([
        'interval 12:00:01.500',
        'interval 12:00:03.000',
        'interval 12:00:04.500',
      ]);
    });

    it('fires a timeout once', async () => {
      const host = await startEngine(engine, [timeout('timeout', 700), timeout('zero', 0)]);
      await advance(HOUR);
      expect(host.fired).toEqual(['zero 12:00:00.000', 'timeout 12:00:00.700']);
    });

    it('hands over the schedule, and what made the slot due', async () => {
      const schedules = [
        cron('cron', '* * * * * *'),
        interval('interval', SECOND),
        timeout('timeout', SECOND),
        interval('start', HOUR, { runOnStart: true }),
      ];
      const { slots } = await startEngine(engine, schedules);
      await advance(SECOND);
      const triggers = new Map(slots.map((slot) => [slot.schedule, slot.trigger]));
      expect(triggers).toEqual(
        new Map([
          [schedules[3], 'start'],
          [schedules[0], 'cron'],
          [schedules[1], 'interval'],
          [schedules[2], 'timeout'],
        ]),
      );
    });

    it('[E1] fires a period of 2^31 ms when it is over, and not at once', async () => {
      const host = await startEngine(engine, [interval('long', 2 ** 31)]);
      await advance(HOUR);
      expect(host.fired).toEqual([]);
      leap(2 ** 31 - HOUR - 60 * SECOND);
      await advance(60 * SECOND);
      expect(host.slots.map(({ scheduledAt }) => scheduledAt.getTime())).toEqual([
        NOON.getTime() + 2 ** 31,
      ]);
    });

    it('waits for no tick: neither to start, nor to fire the next', async () => {
      const schedules = [interval('a', SECOND), cron('b', '* * * * * *', { runOnStart: true })];
      const host = await startEngine(engine, schedules, true);
      await advance(2_000);
      expect(host.fired.filter((slot) => slot.startsWith('a'))).toHaveLength(2);
      expect(host.fired.filter((slot) => slot.startsWith('b'))).toHaveLength(3);
    });

    it('[E12] with fixedDelay counts from the end of the run', async () => {
      const host = await startEngine(
        engine,
        [interval('loop', SECOND, { fixedDelay: true })],
        true,
      );
      await advance(1_700);
      host.running[0]!.open();
      await advance(1_000);
      expect(host.fired).toEqual(['loop 12:00:01.000', 'loop 12:00:02.700']);
      await advance(HOUR);
      expect(host.fired).toHaveLength(2);
    });

    it('never fires what is disabled', async () => {
      const off = { disabled: true, runOnStart: true };
      const schedules = [interval('off', SECOND, off), interval('on', SECOND)];
      const host = await startEngine(engine, schedules);
      await advance(SECOND);
      expect(host.fired).toEqual(['on 12:00:01.000']);
      expect(engine.nextRun('off')).toBeUndefined();
    });

    describe('when it is stopped', () => {
      it('[D41] fires nothing more, of any kind, and leaves no timer', async () => {
        const jitterMs = 10 * SECOND;
        const host = await startEngine(engine, [
          cron('cron', '* * * * * *'),
          interval('interval', SECOND),
          timeout('timeout', 5 * SECOND),
          interval('late', SECOND, { jitterMs }),
          interval('delayed', SECOND, { initialDelayMs: 10 * SECOND, runOnStart: true }),
        ]);
        await advance(1_500);
        await engine.stop();
        const before = [...host.fired];
        expect(jest.getTimerCount()).toBe(0);
        await advance(HOUR);
        expect(host.fired).toEqual(before);
      });

      it('arms no fixed delay when a tick ends after that', async () => {
        const host = await startEngine(
          engine,
          [interval('loop', SECOND, { fixedDelay: true })],
          true,
        );
        await advance(SECOND);
        await engine.stop();
        host.running[0]!.open();
        await advance(0);
        expect(jest.getTimerCount()).toBe(0);
      });

      it('says nothing of next runs', async () => {
        await startEngine(engine, [interval('interval', SECOND)]);
        await engine.stop();
        expect(engine.nextRun('interval')).toBeUndefined();
      });
    });

    describe('when a schedule is paused', () => {
      it('keeps its grid, and leaves others alone', async () => {
        const host = await startEngine(engine, [interval('a', SECOND), interval('b', SECOND)]);
        await advance(1_500);
        engine.pause('a');
        await advance(2_000);
        engine.resume('a');
        const before = host.fired.length;
        await advance(1_000);
        expect(host.fired.slice(before).sort()).toEqual(['a 12:00:04.000', 'b 12:00:04.000']);
        expect(host.fired.filter((slot) => slot.startsWith('b'))).toHaveLength(4);
      });

      it('has no next run until it is resumed', async () => {
        await startEngine(engine, [interval('a', SECOND)]);
        engine.pause('a');
        expect(engine.nextRun('a')).toBeUndefined();
        await advance(2_500);
        engine.resume('a');
        expect(engine.nextRun('a')?.toISOString()).toBe('2026-01-15T12:00:03.000Z');
      });
    });

    it('says when each schedule is due next', async () => {
      await startEngine(engine, [
        cron('cron', '0 30 * * * *'),
        interval('interval', 2_000),
        timeout('timeout', 5_000),
        cron('never', '0 0 0 30 2 *'),
      ]);
      const next = (): unknown[] =>
        ['cron', 'interval', 'timeout', 'never', 'unknown'].map((schedule) =>
          engine.nextRun(schedule)?.toISOString().slice(11, 19),
        );
      expect(next()).toEqual(['12:30:00', '12:00:02', '12:00:05', undefined, undefined]);
      await advance(6_000);
      expect(next()).toEqual(['12:30:00', '12:00:08', undefined, undefined, undefined]);
    });
  });
}
