import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { InvalidOptionsError, PeriodicTimerError } from '../../lib/errors/errors.js';
import { PeriodicTimer } from '../../lib/background/periodic-timer.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { advance, leap, NOON, useFakeClock } from '../support/fake-clock.js';
import { turn } from '../support/gate.js';

const SECOND = 1_000;
const MINUTE = 60_000;

beforeEach(() => useFakeClock());
afterEach(() => void jest.useRealTimers());

const sinceNoon = (): number => Date.now() - NOON.getTime();

/** Takes ticks until the timer is over, and notes when each came, in ms after noon. */
function loop(timer: PeriodicTimer, work: () => unknown = () => undefined) {
  const ticks: number[] = [];
  const ended = (async () => {
    while (await timer.waitForNextTick()) {
      ticks.push(sinceNoon());
      await work();
    }
  })();
  return { ticks, ended };
}

/** Passes time step by step, with a turn of the event loop after each, as a real clock does. */
async function pass(ms: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await advance(stepMs);
    await turn();
  }
}

/** A wait whose answer can be looked at: `pending`, true, false or the error. */
function watch(wait: Promise<boolean>): { answer: unknown } {
  const watched = { answer: 'pending' as unknown };
  wait.then(
    (isTick) => (watched.answer = isTick),
    (error: unknown) => (watched.answer = error),
  );
  return watched;
}

describe('PeriodicTimer', () => {
  describe('when it is waited for in a loop', () => {
    it('ticks at every period from its construction on', async () => {
      const timer = new PeriodicTimer(SECOND);
      await advance(400);
      const { ticks } = loop(timer);
      await pass(3_000, 100);
      expect(ticks).toEqual([1_000, 2_000, 3_000]);
      timer.dispose();
    });

    it('does not tick before a whole period has passed', async () => {
      const timer = new PeriodicTimer(SECOND);
      const wait = watch(timer.waitForNextTick());
      await advance(999);
      expect(wait.answer).toBe('pending');
      await advance(1);
      expect(wait.answer).toBe(true);
    });

    it('keeps the grid however long the work takes', async () => {
      const timer = new PeriodicTimer(SECOND);
      const { ticks } = loop(timer, () => new Promise((resolve) => setTimeout(resolve, 700)));
      await pass(4_000, 100);
      expect(ticks).toEqual([1_000, 2_000, 3_000, 4_000]);
      timer.dispose();
    });

    it('[E3] merges the ticks that came due while nobody waited into one, and the grid goes on', async () => {
      const timer = new PeriodicTimer(SECOND);
      await advance(3_500);
      expect(await timer.waitForNextTick()).toBe(true);
      expect(sinceNoon()).toBe(3_500);
      const next = watch(timer.waitForNextTick());
      await turn();
      await advance(499);
      expect(next.answer).toBe('pending');
      await advance(1);
      expect(next.answer).toBe(true);
    });

    it('[E3] one that is late in every round ticks at once, and lets the event loop turn', async () => {
      const timer = new PeriodicTimer(SECOND);
      let turns = 0;
      const count = (): void => {
        turns += 1;
        if (turns < 100) setImmediate(count);
      };
      setImmediate(count);
      const { ticks } = loop(timer, () => {
        leap(2_500);
        if (ticks.length === 5) timer.dispose();
      });
      await advance(1_000);
      for (let round = 0; round < 10; round += 1) await turn();
      expect(ticks).toEqual([1_000, 3_500, 6_000, 8_500, 11_000]);
      expect(turns).toBeGreaterThanOrEqual(5);
    });

    it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2])(
      '[E1] honors a period of %i ms and never fires at once',
      async (periodMs) => {
        const timer = new PeriodicTimer(periodMs);
        const wait = watch(timer.waitForNextTick());
        await turn();
        jest.advanceTimersByTime(periodMs - 1);
        await turn();
        expect(wait.answer).toBe('pending');
        await advance(1);
        expect(wait.answer).toBe(true);
      },
    );
  });

  describe('when the clock is set back', () => {
    it('keeps what is left of a wait that is pending', async () => {
      const timer = new PeriodicTimer(10 * MINUTE);
      const wait = watch(timer.waitForNextTick());
      await advance(4 * MINUTE);
      leap(-60 * MINUTE);
      await advance(6 * MINUTE - 1);
      expect(wait.answer).toBe('pending');
      await advance(MINUTE);
      expect(wait.answer).toBe(true);
    });

    it('keeps what is left of the period while nobody waits', async () => {
      const timer = new PeriodicTimer(10 * MINUTE);
      await advance(4 * MINUTE);
      leap(-60 * MINUTE);
      await advance(5 * MINUTE);
      const wait = watch(timer.waitForNextTick());
      await advance(MINUTE - 1);
      expect(wait.answer).toBe('pending');
      await advance(1);
      expect(wait.answer).toBe(true);
    });

    it('loses no tick that was due and not taken', async () => {
      const timer = new PeriodicTimer(SECOND);
      await advance(1_500);
      leap(-60 * MINUTE);
      expect(await timer.waitForNextTick()).toBe(true);
      const next = watch(timer.waitForNextTick());
      await advance(500);
      expect(next.answer).toBe(true);
    });
  });

  it('ticks once within a minute when the clock leaps forward over many ticks', async () => {
    const timer = new PeriodicTimer(10 * MINUTE);
    const { ticks } = loop(timer);
    leap(65 * MINUTE);
    await pass(5 * MINUTE, MINUTE);
    expect(ticks).toEqual([66 * MINUTE, 70 * MINUTE]);
    timer.dispose();
  });

  describe.each([
    ['is disposed', (timer: PeriodicTimer) => timer.dispose()],
    ['is disposed by its symbol', (timer: PeriodicTimer) => timer[Symbol.dispose]()],
    [
      'has its signal aborted',
      (_: PeriodicTimer, controller: AbortController) => controller.abort(),
    ],
  ])('when it %s', (_, end) => {
    let controller: AbortController;
    let timer: PeriodicTimer;
    beforeEach(() => {
      controller = new AbortController();
      timer = new PeriodicTimer(SECOND, { signal: controller.signal });
    });

    it('a pending wait returns false at once, and no timer stays', async () => {
      const wait = watch(timer.waitForNextTick());
      end(timer, controller);
      await turn();
      expect(wait.answer).toBe(false);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('each later wait returns false', async () => {
      end(timer, controller);
      expect(await timer.waitForNextTick()).toBe(false);
      await advance(5_000);
      expect(await timer.waitForNextTick()).toBe(false);
      expect(await timer.waitForNextTick({ signal: AbortSignal.abort() })).toBe(false);
    });

    it('[E6] a tick that was due and not taken is not given', async () => {
      await advance(2_500);
      end(timer, controller);
      expect(await timer.waitForNextTick()).toBe(false);
    });

    it('[E6] nor is one that is on its way to the wait', async () => {
      await advance(2_500);
      const wait = timer.waitForNextTick();
      end(timer, controller);
      expect(await wait).toBe(false);
    });

    it('a wait with the same signal returns false as well', async () => {
      const wait = watch(timer.waitForNextTick(controller.signal));
      end(timer, controller);
      await turn();
      expect(wait.answer).toBe(false);
    });

    it('a for await loop ends', async () => {
      let ticks = 0;
      const looped = (async () => {
        for await (const _ of timer) ticks += 1;
      })();
      await advance(1_000);
      end(timer, controller);
      await looped;
      expect(ticks).toBe(1);
    });

    it('[E10] the period can no longer be changed', () => {
      end(timer, controller);
      const error = (): unknown => {
        try {
          timer.periodMs = 5;
          return undefined;
        } catch (thrown) {
          return thrown;
        }
      };
      expect(error()).toBeInstanceOf(PeriodicTimerError);
      expect(error()).toMatchObject({ code: 'PERIODIC_TIMER', problem: 'over' });
      expect(timer.periodMs).toBe(SECOND);
      timer.dispose();
    });
  });

  it('leaves the using block disposed', async () => {
    let kept: PeriodicTimer;
    {
      using timer = new PeriodicTimer(SECOND);
      kept = timer;
    }
    expect(await kept.waitForNextTick()).toBe(false);
  });

  it('accepts an AbortController as its options, because that has a signal', async () => {
    const controller = new AbortController();
    const timer = new PeriodicTimer(SECOND, controller);
    controller.abort();
    expect(await timer.waitForNextTick()).toBe(false);
  });

  it('is over from the start when its signal is aborted already', async () => {
    const timer = new PeriodicTimer(SECOND, { signal: AbortSignal.abort() });
    expect(await timer.waitForNextTick()).toBe(false);
  });

  describe('when a wait is cancelled', () => {
    it.each([
      ['the signal itself', (signal: AbortSignal) => signal],
      ['an option', (signal: AbortSignal) => ({ signal })],
    ])('[E8] it rejects with the reason, and the timer goes on: %s', async (_, given) => {
      const timer = new PeriodicTimer(SECOND);
      const controller = new AbortController();
      const wait = watch(timer.waitForNextTick(given(controller.signal)));
      await advance(300);
      const reason = new Error('enough');
      controller.abort(reason);
      await turn();
      expect(wait.answer).toBe(reason);
      expect(jest.getTimerCount()).toBe(0);

      const { ticks } = loop(timer);
      await pass(2_000, 100);
      expect(ticks).toEqual([1_000, 2_000]);
      timer.dispose();
    });

    it('[E8] before it begins, it takes no tick that is due', async () => {
      const timer = new PeriodicTimer(SECOND);
      await advance(1_500);
      const reason = { any: 'object' };
      await expect(timer.waitForNextTick(AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await timer.waitForNextTick()).toBe(true);
      expect(sinceNoon()).toBe(1_500);
    });

    it.each([0, 1])(
      '[E8] while a tick is on its way, the next wait gets it: %i turns later',
      async (later) => {
        const timer = new PeriodicTimer(SECOND);
        await advance(1_500);
        const controller = new AbortController();
        const cancelled = watch(timer.waitForNextTick(controller.signal));
        controller.abort();
        if (later > 0) await turn();
        expect(await timer.waitForNextTick()).toBe(true);
        expect(sinceNoon()).toBe(1_500);
        expect(cancelled.answer).toBe(controller.signal.reason);
      },
    );

    it('[E8] a signal that is never aborted changes nothing', async () => {
      const timer = new PeriodicTimer(SECOND);
      const wait = watch(timer.waitForNextTick(new AbortController().signal));
      await advance(1_000);
      expect(wait.answer).toBe(true);
    });
  });

  describe('when it is waited for twice at once', () => {
    it('refuses the second wait, and the first gets its tick', async () => {
      const timer = new PeriodicTimer(SECOND);
      const first = watch(timer.waitForNextTick());
      const error = await timer.waitForNextTick().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(PeriodicTimerError);
      expect(error).toMatchObject({ problem: 'already-waiting' });
      await advance(1_000);
      expect(first.answer).toBe(true);
    });

    it('takes one wait after the other', async () => {
      const timer = new PeriodicTimer(SECOND);
      for (let tick = 1; tick <= 3; tick += 1) {
        const wait = timer.waitForNextTick();
        await advance(1_000);
        expect(await wait).toBe(true);
      }
    });
  });

  describe('when the period is changed', () => {
    it('[E10] a pending wait ends one new period after the change', async () => {
      const timer = new PeriodicTimer(SECOND);
      const { ticks } = loop(timer);
      await pass(1_500, 100);
      timer.periodMs = 200;
      await pass(600, 100);
      timer.periodMs = 5_000;
      await pass(10_000, 100);
      expect(timer.periodMs).toBe(5_000);
      expect(ticks).toEqual([1_000, 1_700, 1_900, 2_100, 7_100, 12_100]);
      timer.dispose();
    });

    it('[E10] while nobody waits, the grid begins at the change', async () => {
      const timer = new PeriodicTimer(SECOND);
      await advance(500);
      timer.periodMs = 3_000;
      const { ticks } = loop(timer);
      await pass(7_000, 100);
      expect(ticks).toEqual([3_500, 6_500]);
      timer.dispose();
    });

    it('[E10] a tick that is due already stays due, once', async () => {
      const timer = new PeriodicTimer(SECOND);
      await advance(2_500);
      timer.periodMs = 10_000;
      const { ticks } = loop(timer);
      await pass(10_000, 500);
      expect(ticks).toEqual([2_500, 12_500]);
      timer.dispose();
    });

    it.each([0, -1, Number.NaN, Infinity, 2 ** 32 - 1, '5' as unknown as number])(
      '[E10] a bad value throws and leaves the old one, with its grid: %p',
      async (bad) => {
        const timer = new PeriodicTimer(SECOND);
        const { ticks } = loop(timer);
        await pass(500, 100);
        expect(() => (timer.periodMs = bad)).toThrow(InvalidOptionsError);
        expect(timer.periodMs).toBe(SECOND);
        await pass(500, 100);
        expect(ticks).toEqual([1_000]);
        timer.dispose();
      },
    );
  });

  describe('when it is made', () => {
    it.each([0, -1, 0.5, Number.NaN, Infinity, 2 ** 32 - 1, '1000', undefined, null, 10n])(
      '[E1] a period of %p is refused',
      (bad) => {
        expect(() => new PeriodicTimer(bad as number)).toThrow(InvalidOptionsError);
        expect(() => new PeriodicTimer(bad as number)).toThrow(
          /^PeriodicTimer: periodMs must be a number of milliseconds from 1 to 4294967294 \(49\.7 days\), not .+\.$/,
        );
      },
    );

    it.each([1, 1.5, 2 ** 31, 2 ** 32 - 2])('[E1] a period of %p is taken', (good) => {
      expect(new PeriodicTimer(good).periodMs).toBe(good);
      expect(jest.getTimerCount()).toBe(0);
    });

    it.each(['signal', 5, {}, null])('a signal of %p is refused', async (bad) => {
      const signal = bad as never;
      const text = /^PeriodicTimer: signal must be an AbortSignal, not .+\.$/;
      expect(() => new PeriodicTimer(5, { signal })).toThrow(text);
      await expect(new PeriodicTimer(5).waitForNextTick({ signal })).rejects.toThrow(text);
    });

    it.each([
      [5, 'signal must be an AbortSignal, not 5.'],
      [{ single: 1 }, "single isn't an option; the only option is signal."],
    ])('the options %p are refused', async (options, problem) => {
      const bad = options as never;
      expect(() => new PeriodicTimer(5, bad)).toThrow(`PeriodicTimer: ${problem}`);
      await expect(new PeriodicTimer(5).waitForNextTick(bad)).rejects.toThrow(
        `PeriodicTimer: ${problem}`,
      );
    });

    it('no signal, and undefined, are taken', () => {
      expect(new PeriodicTimer(5, {}).periodMs).toBe(5);
      expect(new PeriodicTimer(5, { signal: undefined }).periodMs).toBe(5);
    });
  });

  describe('when it is iterated', () => {
    it('yields each tick', async () => {
      const timer = new PeriodicTimer(SECOND);
      const ticks: number[] = [];
      const looped = (async () => {
        for await (const tick of timer) {
          expect(tick).toBeUndefined();
          ticks.push(sinceNoon());
          if (ticks.length === 3) timer.dispose();
        }
      })();
      await pass(5_000, 500);
      await looped;
      expect(ticks).toEqual([1_000, 2_000, 3_000]);
    });

    it('goes on after the loop was left', async () => {
      const timer = new PeriodicTimer(SECOND);
      const taken = (async () => {
        for await (const _ of timer) return;
      })();
      await advance(1_000);
      await taken;
      expect(jest.getTimerCount()).toBe(0);
      const wait = watch(timer.waitForNextTick());
      await advance(1_000);
      expect(wait.answer).toBe(true);
    });
  });

  describe('when nobody waits', () => {
    it('[J1] has no timer and no listener, no matter what happened before', async () => {
      const { signal } = new AbortController();
      const other = new AbortController();
      const timer = new PeriodicTimer(SECOND, { signal });
      const listeners = (): number =>
        getEventListeners(signal, 'abort').length + getEventListeners(other.signal, 'abort').length;
      expect([jest.getTimerCount(), listeners()]).toEqual([0, 0]);

      const taken = timer.waitForNextTick(other.signal);
      expect([jest.getTimerCount(), listeners()]).toEqual([1, 2]);
      await advance(1_000);
      await taken;
      expect([jest.getTimerCount(), listeners()]).toEqual([0, 0]);

      const cancelled = watch(timer.waitForNextTick(other.signal));
      other.abort();
      await turn();
      expect(cancelled.answer).toBe(other.signal.reason);
      expect([jest.getTimerCount(), listeners()]).toEqual([0, 0]);

      const ended = timer.waitForNextTick();
      timer.dispose();
      expect(await ended).toBe(false);
      expect([jest.getTimerCount(), listeners()]).toEqual([0, 0]);
    });

    it('[J1] can be collected, disposed or not, though thousands share a signal that lives on', async () => {
      jest.useRealTimers();
      const { signal } = new AbortController();
      const timers: WeakRef<PeriodicTimer>[] = [];
      const use = async (index: number): Promise<void> => {
        const timer = new PeriodicTimer(1, { signal });
        timers.push(new WeakRef(timer));
        await timer.waitForNextTick();
        const last = timer.waitForNextTick();
        if (index % 2 === 0) timer.dispose();
        await last;
      };
      const all = Promise.all(Array.from({ length: 2_000 }, (_, index) => use(index)));
      expect(getEventListeners(signal, 'abort')).toHaveLength(1); // Node warns of a leak from 11 on
      await all;
      await collectGarbage();

      expect(getEventListeners(signal, 'abort')).toEqual([]);
      // V8 may keep a few of them alive a little longer, but not one for each.
      expect(timers.filter((timer) => timer.deref() !== undefined).length).toBeLessThan(20);
    });
  });
});
