import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { RetryOptions, StrayFailure } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { fails, retryApp, succeeds } from '../support/retry-app.js';
import { closing, turns, untilAborted } from '../support/running-tick.js';
import { slotApp } from '../support/slot-app.js';

beforeEach(() => useFakeClock());
afterEach(async () => {
  jest.restoreAllMocks();
  await closeApps();
  jest.useRealTimers();
});

/** A tick whose attempts fail, with these waits between them. */
async function waiting(retry: Omit<RetryOptions, 'attempts'>, attempts = 3, chance?: number) {
  const test = await retryApp([fails], { handler: { retry: { attempts, ...retry } } });
  // Nest wants chance for itself while it starts.
  if (chance !== undefined) jest.spyOn(Math, 'random').mockReturnValue(chance);
  const state = { done: false };
  const report = test.run();
  void report.then(() => (state.done = true));
  await turns();
  return { ...test, report, state };
}

describe('the wait between attempts', () => {
  it('[XA8] is backoffMs long', async () => {
    const { ticks, retries, report } = await waiting({ backoffMs: 60_000 });
    expect(ticks).toHaveLength(1);
    await advance(59_999);
    expect(ticks).toHaveLength(1);
    await advance(1);
    expect(ticks).toHaveLength(2);
    await advance(60_000);
    expect((await report).attempts).toBe(3);
    expect(retries.map(({ waitMs }) => waitMs)).toEqual([60_000, 60_000]);
  });

  it('[XA8] is asked for with the attempt that has failed, and not after the last', async () => {
    const backoffMs = jest.fn((attempt: number) => attempt * 100);
    const { ticks, retries, report } = await waiting({ backoffMs });
    await advance(99);
    expect(ticks).toHaveLength(1);
    await advance(1);
    expect(ticks).toHaveLength(2);
    await advance(199);
    expect(ticks).toHaveLength(2);
    await advance(1);
    await report;
    expect(backoffMs.mock.calls).toEqual([[1], [2]]);
    expect(retries.map(({ waitMs }) => waitMs)).toEqual([100, 200]);
  });

  it('does not exist by default, but lets the event loop turn', async () => {
    const loop: number[] = [];
    const test = await retryApp([
      (tick) => {
        loop.push(tick.attempt);
        throw new Error('again');
      },
    ]);
    const report = test.run();
    setImmediate(() => loop.push(0));
    await report;
    expect(loop).toEqual([1, 0, 2, 3]);
  });

  it('is part of the duration of the tick', async () => {
    const { report } = await waiting({ backoffMs: 1_000 });
    await advance(2_000);
    const { durationMs, firedAt, endedAt, history } = await report;
    expect(durationMs).toBe(2_000);
    expect(endedAt.getTime() - firedAt.getTime()).toBe(2_000);
    expect(history.map((attempt) => attempt.startedAt.getTime() - firedAt.getTime())).toEqual([
      0, 1_000, 2_000,
    ]);
    expect(history.map((attempt) => attempt.durationMs)).toEqual([0, 0, 0]);
  });

  it.each([
    [0, 1_000],
    [0.5, 900],
    [1, 800],
  ])(
    'is left to chance in part by jitter: with chance %p it is %p ms of 1000',
    async (chance, ms) => {
      const retry = { backoffMs: 1_000, jitter: 0.2 };
      const { retries, ticks, report } = await waiting(retry, 2, chance);
      expect(retries[0]!.waitMs).toBe(ms);
      await advance(ms - 1);
      expect(ticks).toHaveLength(1);
      await advance(1);
      expect(ticks).toHaveLength(2);
      await report;
    },
  );

  it('is the same with jitter for a function', async () => {
    const retry: Omit<RetryOptions, 'attempts'> = { backoffMs: (n) => n * 100, jitter: 1 };
    const { retries, report } = await waiting(retry, 3, 0.5);
    await advance(1_000);
    await report;
    expect(retries.map(({ waitMs }) => waitMs)).toEqual([50, 100]);
  });

  describe('when backoffMs is a function that fails', () => {
    const bad: [string, () => unknown, string][] = [
      [
        'throws',
        () => {
          throw new Error('no figures');
        },
        'no figures',
      ],
      ['returns NaN', () => NaN, 'must return a non-negative number of milliseconds, not NaN'],
      ['returns a negative wait', () => -1, 'not -1'],
      ['returns Infinity', () => Infinity, 'not Infinity'],
      ['returns nothing', () => undefined, 'not undefined'],
      ['returns text', () => '1000', 'not "1000"'],
      ['returns an object without a text', () => Object.create(null) as unknown, 'not an object'],
      ['is async', () => Promise.resolve(1_000), 'not an object'],
      ['is async and rejects', () => Promise.reject(new Error('no figures')), 'not an object'],
    ];
    const good = (): number => 0;

    it.each(bad)(
      '[B34] it is reported, and the next attempt starts at once: it %s',
      async (_, f, text) => {
        const unhandled: unknown[] = [];
        const onUnhandled = (error: unknown): unknown => unhandled.push(error);
        process.on('unhandledRejection', onUnhandled);
        const failures: StrayFailure[] = [];
        const test = await retryApp([fails, succeeds], {
          handler: { retry: { attempts: 3, backoffMs: f as () => number } },
        });
        test.events.on('failure:stray', (failure) => failures.push(failure));
        const { outcome, attempts, tickId } = await test.run();
        await turns();
        process.off('unhandledRejection', onUnhandled);
        expect([outcome, attempts]).toEqual(['succeeded', 2]);
        expect(failures).toEqual([
          {
            where: 'retry-backoff',
            schedule: 'Worker.run',
            tickId,
            error: expect.objectContaining({ message: expect.stringContaining(text) }),
          },
        ]);
        expect(test.log.of('error')).toEqual([expect.stringContaining(text)]);
        expect(test.retries).toEqual([expect.objectContaining({ waitMs: 0 })]);
        expect(unhandled).toEqual([]);
      },
    );

    it('and one that returns 0 is fine', async () => {
      const test = await retryApp([fails, succeeds], {
        handler: { retry: { attempts: 2, backoffMs: good } },
      });
      expect((await test.run()).attempts).toBe(2);
      expect(test.log.of('error')).toEqual([]);
    });
  });

  describe('the overlap slot', () => {
    it('is held in the wait: the tick still runs, without a scope', async () => {
      const { registry, report, state } = await waiting({ backoffMs: 60_000 }, 2);
      expect(registry.get('Worker.run').running).toBe(1);
      expect(registry.stats()).toMatchObject({ runningTicks: 1, openScopes: 0 });
      expect(state.done).toBe(false);
      await advance(60_000);
      await report;
      expect(registry.stats()).toMatchObject({ runningTicks: 0 });
    });

    it('[F10] is held in the wait, so that a schedule with skip does not begin another tick', async () => {
      const test = await retryApp([fails, succeeds], {
        handler: { overlap: 'skip', retry: { attempts: 2, backoffMs: 5_000 } },
      });
      const report = test.run();
      await turns();
      expect(await test.run()).toMatchObject({ outcome: 'skipped', reason: 'overlap' });
      await advance(5_000);
      expect(await report).toMatchObject({ outcome: 'succeeded', attempts: 2 });
      expect(await test.run()).toMatchObject({ outcome: 'succeeded', attempts: 1 });
    });

    it('[E3] is held in the wait, so that intervals merge', async () => {
      const test = await slotApp('interval', {
        a: { timeoutMs: 100, retry: { attempts: 2, backoffMs: 3_000 } },
      });
      await advance(1_100); // the first attempt times out
      await advance(2_900);
      expect(test.begun).toEqual(['a 1']);
      await advance(100);
      expect(test.begun).toEqual(['a 1', 'a 1']);
      test.releaseAll();
      await advance(0);
      expect(test.finished).toEqual(['a 1 succeeded']);
      expect(test.begun).toEqual(['a 1', 'a 1', 'a 4']);
      expect(test.skipped).toEqual(['a 2 merged', 'a 3 merged']);
      test.releaseAll();
    });
  });

  describe('when it is cut short', () => {
    it('[D35] by registry.cancel(): the tick is cancelled, with the error of its last attempt', async () => {
      const test = await waiting({ backoffMs: 60_000 });
      await advance(1_000);
      expect(test.registry.cancel('Worker.run')).toBe(1);
      const report = await test.report;
      expect(report).toMatchObject({
        outcome: 'cancelled',
        reason: 'cancel',
        phase: 'handler',
        attempts: 1,
        durationMs: 1_000,
        error: { message: 'attempt 1 failed' },
      });
      expect(report.endedAt.getTime() - report.firedAt.getTime()).toBe(1_000);
      expect(report.history).toMatchObject([{ outcome: 'failed' }]);
      expect(report.history[0]!.endedAt).toEqual(report.firedAt);
      expect(jest.getTimerCount()).toBe(0);
      await advance(60_000);
      expect(test.ticks).toHaveLength(1);
      expect(test.registry.cancel('Worker.run')).toBe(0);
    });

    it('by a listener for tick:retrying that cancels', async () => {
      const test = await retryApp([fails], {
        handler: { retry: { attempts: 3, backoffMs: 1_000 } },
      });
      test.events.on('tick:retrying', () => void test.registry.cancel('Worker.run'));
      expect(await test.run()).toMatchObject({ outcome: 'cancelled', attempts: 1 });
    });

    it('by a cancellation in the turn without a wait', async () => {
      const test = await retryApp([fails]);
      test.events.on('tick:retrying', () =>
        queueMicrotask(() => test.registry.cancel('Worker.run')),
      );
      expect(await test.run()).toMatchObject({ outcome: 'cancelled', attempts: 1 });
    });

    it('[D35] by the shutdown, at once', async () => {
      const test = await waiting({ backoffMs: 60_000 });
      await test.app.close();
      expect(performance.now()).toBe(0);
      expect(await test.report).toMatchObject({
        outcome: 'cancelled',
        reason: 'shutdown',
        attempts: 1,
        error: { message: 'attempt 1 failed' },
      });
      expect(test.log.of('error')).toEqual([]);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('before it begins, while the scope of the failed attempt is disposed', async () => {
      const held = gate();
      const test = await retryApp([
        ({ scope }) => {
          scope.defer(() => held.opened);
          throw new Error('first');
        },
      ]);
      const report = test.run();
      await turns();
      test.registry.cancel('Worker.run');
      held.open();
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel', attempts: 1 });
      expect(test.retries).toEqual([]);
    });

    it('not at all when the tick was cancelled in a later attempt', async () => {
      const test = await retryApp([fails, untilAborted], { handler: { retry: { attempts: 5 } } });
      const report = test.run();
      await turns();
      expect(test.ticks).toHaveLength(2);
      test.registry.cancel('Worker.run');
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel', attempts: 2 });
      expect(test.ticks.map(({ signal }) => signal.aborted)).toEqual([false, true]);
    });

    it('nor when a listener for tick:started cancels it: the handler is not entered', async () => {
      const test = await retryApp([succeeds]);
      test.events.on('tick:started', ({ schedule }) => void test.registry.cancel(schedule));
      expect(await test.run()).toMatchObject({ outcome: 'cancelled', attempts: 1, phase: 'open' });
      expect(test.ticks).toEqual([]);
    });

    it.each(['pause', 'remove'] as const)('not by registry.%s()', async (method) => {
      const test = await waiting({ backoffMs: 1_000 });
      test.registry[method]('Worker.run');
      await advance(2_000);
      expect(await test.report).toMatchObject({ outcome: 'failed', attempts: 3 });
    });

    it('not by the cancelling of another schedule', async () => {
      const test = await waiting({ backoffMs: 1_000 });
      test.registry.add({ name: 'other', everyMs: 10_000, handler: () => undefined });
      expect(test.registry.cancel('other')).toBe(0);
      await advance(2_000);
      expect(await test.report).toMatchObject({ outcome: 'failed', attempts: 3 });
    });
  });

  describe('on shutdown', () => {
    it('[D35] attempts run on for drainTimeoutMs, and none begins: an attempt that fails is the last', async () => {
      const held = gate();
      const test = await retryApp([() => held.opened], {
        handler: { retry: { attempts: 3, backoffMs: 1_000 } },
        options: { drainTimeoutMs: 5_000 },
      });
      const report = test.run();
      await turns();
      const close = closing(test);
      await advance(3_000);
      expect([close.done, test.ticks[0]!.signal.aborted]).toEqual([false, false]);
      held.fail(new Error('too late'));
      await close.promise;
      expect(performance.now()).toBe(3_000);
      expect(await report).toMatchObject({
        outcome: 'cancelled',
        reason: 'shutdown',
        attempts: 1,
        error: { message: 'too late' },
      });
    });

    it('[D35] an attempt that succeeds while it is drained has succeeded', async () => {
      const held = gate();
      const test = await retryApp([fails, () => held.opened], {
        options: { drainTimeoutMs: 5_000 },
      });
      const report = test.run();
      await turns();
      const close = closing(test);
      await advance(4_999);
      expect(test.ticks.at(-1)!.signal.aborted).toBe(false);
      held.open();
      await close.promise;
      expect(await report).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });

    it('[D35] the last attempt that fails while it is drained has failed, and is logged', async () => {
      const held = gate();
      const test = await retryApp([fails, () => held.opened], {
        handler: { retry: { attempts: 2 } },
        options: { drainTimeoutMs: 5_000 },
      });
      const report = test.run();
      await turns();
      const close = closing(test);
      await turns();
      held.fail(new Error('the last'));
      await close.promise;
      expect(await report).toMatchObject({ outcome: 'failed', attempts: 2 });
      expect(test.log.of('error')).toEqual([expect.stringContaining('the last')]);
    });

    it('[D35] attempts are aborted after drainTimeoutMs, and not tried again', async () => {
      const held = gate();
      const test = await retryApp(
        [
          ({ signal }) => {
            signal.addEventListener('abort', () => held.fail(signal.reason));
            return held.opened;
          },
        ],
        { options: { drainTimeoutMs: 5_000 } },
      );
      const report = test.run();
      await turns();
      const close = closing(test);
      await advance(4_999);
      expect([close.done, test.ticks[0]!.signal.aborted]).toEqual([false, false]);
      await advance(1);
      expect(test.ticks[0]!.signal.aborted).toBe(true);
      await close.promise;
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown', attempts: 1 });
      expect(test.log.of('error')).toEqual([]);
    });

    it('[D35] an abandoned attempt that fails after the end is not tried again', async () => {
      const held = gate();
      const test = await retryApp([() => held.opened], { options: { shutdownTimeoutMs: 1_000 } });
      const report = test.run();
      await turns();
      const close = closing(test);
      await advance(1_000);
      await close.promise;
      held.fail(new DOMException('gone', 'AbortError'));
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown', attempts: 1 });
    });

    it('[D28] a later attempt may close the application, which does not wait for it', async () => {
      const test = await retryApp([fails, () => test.app.close()]);
      expect(await test.run()).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });

    it('[D28] a handler that closes the application is not tried again, and the close does not wait for it', async () => {
      const test = await retryApp([
        async () => {
          await test.app.close();
          throw new Error('after the close');
        },
      ]);
      expect(await test.run()).toMatchObject({ outcome: 'failed', attempts: 1 });
    });
  });
});
