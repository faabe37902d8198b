import { describe, expect, it } from '@jest/globals';
import { ScopedTimeout, ScopedWorker, ScopedInterval } from '../../lib/index.js';
import { appsOnFakeClock, startApp, compileApp } from '../support/app.js';
import { advance, afterNoon, leap } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { at, intervalApp, recorder, type Work } from '../support/interval-app.js';

const SECOND = 1_000;
const DAY = 24 * 3_600_000;

appsOnFakeClock();

describe('interval', () => {
  it('[E4] ticks first one period after start-up, then once in each period', async () => {
    const { due, begun, work } = recorder();
    await intervalApp(SECOND, work);
    await advance(999);
    expect(begun).toEqual([]);
    await advance(2_001);
    expect(begun).toEqual(at(1_000, 2_000, 3_000));
    expect(due).toEqual(begun);
  });

  it('ticks first right after its initial delay', async () => {
    const { begun, work } = recorder();
    await intervalApp(SECOND, work, { initialDelayMs: 250 });
    await advance(2_500);
    expect(begun).toEqual(at(250, 1_250, 2_250));
  });

  describe('when a handler takes longer than the period', () => {
    it('[E2][E3] merges the ticks that come due meanwhile into one, right after it', async () => {
      const first = gate();
      const { due, begun, work } = recorder({ 1: first });
      const { events } = await intervalApp(SECOND, work);
      const skipped: unknown[] = [];
      events.on('tick:skipped', ({ reason, scheduledAt }) =>
        skipped.push([reason, scheduledAt.toISOString()]),
      );
      await advance(4_500);
      expect(begun).toEqual(at(1_000));
      first.open();
      await advance(0);
      expect(begun).toEqual(at(1_000, 4_500));
      expect(due).toEqual(at(1_000, 4_000));
      expect(skipped).toEqual([
        ['merged', afterNoon(2_000)],
        ['merged', afterNoon(3_000)],
      ]);
      await advance(500);
      expect(begun).toEqual(at(1_000, 4_500, 5_000));
    });

    it('[E3] runs nothing extra when nothing came due meanwhile', async () => {
      const first = gate();
      const { begun, work } = recorder({ 1: first });
      await intervalApp(SECOND, work);
      await advance(1_900);
      first.open();
      await advance(50);
      expect(begun).toEqual(at(1_000));
    });
  });

  describe('when the handler takes some of the period', () => {
    it('[E12] counts from start to start by default', async () => {
      const held = { 1: gate(), 2: gate() };
      const { begun, work } = recorder(held);
      await intervalApp(SECOND, work);
      await advance(1_400);
      held[1].open();
      await advance(1_000);
      held[2].open();
      await advance(1_000);
      expect(begun).toEqual(at(1_000, 2_000, 3_000));
    });

    it('[E12] counts from the end of the last run with fixedDelay', async () => {
      const held = { 1: gate(), 2: gate() };
      const { due, begun, work } = recorder(held);
      const { registry } = await intervalApp(SECOND, work, { fixedDelay: true });
      await advance(1_400);
      expect(registry.get('Poller.poll').nextRun).toBeUndefined();
      held[1].open();
      await advance(0);
      expect(registry.get('Poller.poll').nextRun?.toISOString()).toBe(afterNoon(2_400));
      await advance(4_000);
      expect(begun).toEqual(at(1_000, 2_400));
      held[2].open();
      await advance(1_000);
      expect(begun).toEqual(at(1_000, 2_400, 6_400));
      expect(due).toEqual(begun);
    });
  });

  it('[E13] with fixedDelay goes on after 100 failures', async () => {
    const { begun, work } = recorder();
    const failing: Work = (tick, run) => {
      work(tick, run);
      if (run <= 100) throw new Error(`failure ${run}`);
    };
    const { log } = await intervalApp(10, failing, { fixedDelay: true });
    await advance(1_020);
    expect(begun).toHaveLength(102);
    expect(log.of('error')).toHaveLength(100);
  });

  it.each(['decorator of the class', 'defaults'])(
    'ignores fixedDelay from the %s for a timeout, which runs once',
    async (place) => {
      let runs = 0;
      @ScopedWorker(place === 'defaults' ? {} : { fixedDelay: true })
      class Opening {
        @ScopedTimeout(10)
        open(): void {
          runs += 1;
        }
      }
      const defaults = place === 'defaults' ? { fixedDelay: true } : {};
      await startApp({ providers: [Opening], options: { defaults } });
      for (let step = 0; step < 20; step += 1) await advance(1);
      expect(runs).toBe(1);
    },
  );

  it('does not fire early when the clock is set back', async () => {
    const { work } = recorder();
    let runs = 0;
    await intervalApp(90 * SECOND, (tick, run) => {
      runs = run;
      return work(tick, run);
    });
    await advance(30 * SECOND);
    leap(-2 * DAY);
    await advance(59 * SECOND);
    expect(runs).toBe(0);
    await advance(90 * SECOND);
    expect(runs).toBeGreaterThanOrEqual(1);
  });

  it('does not fire a timeout early when the clock is set back', async () => {
    let runs = 0;
    @ScopedWorker()
    class Opening {
      @ScopedTimeout(600 * SECOND)
      open(): void {
        runs += 1;
      }
    }
    await startApp({ providers: [Opening] });
    await advance(30 * SECOND);
    leap(-DAY);
    await advance(500 * SECOND);
    expect(runs).toBe(0);
    await advance(700 * SECOND);
    expect(runs).toBe(1);
  });
});

describe('period', () => {
  it.each([0, -1, -0, 0.5, NaN, Infinity, -Infinity, 2 ** 32, '1000', null, undefined])(
    '[E1] refuses to start with a period of %p',
    async (everyMs) => {
      @ScopedWorker()
      class Poller {
        @ScopedInterval(everyMs as number)
        poll(): void {}
      }
      const { app } = await compileApp({ providers: [Poller] });
      await expect(app.init()).rejects.toMatchObject({
        code: 'INVALID_SCHEDULE',
        message: expect.stringContaining('Poller.poll'),
      });
    },
  );

  it.each([1, 1.5, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2])(
    '[E1] starts with a period of %p and does not fire at once',
    async (everyMs) => {
      const { begun, work } = recorder();
      await intervalApp(everyMs, work);
      await advance(Math.min(everyMs - 1, 5_000));
      expect(begun).toEqual([]);
    },
  );

  it('[E1] fires after 2^31 ms, not before', async () => {
    const { begun, work } = recorder();
    await intervalApp(2 ** 31, work);
    leap(2 ** 31 - 60_000);
    await advance(59_999);
    expect(begun).toEqual([]);
    await advance(1);
    expect(begun).toEqual(at(2 ** 31));
  });

  it.each([0, -1, NaN, Infinity, 2 ** 31])('[E1] refuses a timeoutMs of %p', async (timeoutMs) => {
    await expect(intervalApp(1_000, () => undefined, { timeoutMs })).rejects.toMatchObject({
      code: 'INVALID_SCHEDULE',
      message: expect.stringContaining('timeoutMs'),
    });
  });

  it('[E1] does not time out before the longest timeoutMs', async () => {
    const first = gate();
    const options = { timeoutMs: 2 ** 31 - 1, overlap: 'skip' } as const;
    const { next } = await intervalApp(2 ** 30, () => first.opened, options);
    const finished = next('tick:finished');
    leap(2 ** 30 - 1_000);
    await advance(60_000);
    leap(2 ** 30);
    await advance(60_000);
    first.open();
    expect((await finished).outcome).toBe('succeeded');
  });
});
