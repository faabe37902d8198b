import { describe, expect, it } from '@jest/globals';
import { ScopedInterval, ScopedWorker } from '../../lib/index.js';
import { appsOnFakeClock, compileApp } from '../support/app.js';
import { advance, leap } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { at, intervalApp, recorder } from '../support/interval-app.js';

appsOnFakeClock();

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
