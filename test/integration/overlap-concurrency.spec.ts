import { describe, expect, it } from '@jest/globals';
import type { HandlerOptions } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, leap } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { closing, turns } from '../support/running-tick.js';
import { slotApp } from '../support/slot-app.js';

const DAY = 24 * 3_600_000;

appsOnFakeClock();

const slots = (from: number, to: number, name = 'a'): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `${name} ${from + index}`);

describe('maxConcurrency', () => {
  it("[F13] with 'allow' lets so many run at once; the rest wait their turn, first come first served", async () => {
    const test = await slotApp('cron', { a: { overlap: 'allow', maxConcurrency: 2 } });
    await advance(5_000);
    expect(test.begun).toEqual(slots(1, 2));
    expect(test.registry.stats()).toMatchObject({ runningTicks: 2, openScopes: 2 });
    for (let count = 3; count <= 5; count += 1) {
      test.release();
      await advance(0);
      expect(test.begun).toEqual(slots(1, count));
    }
    expect([test.mostAtOnce(), test.skipped]).toEqual([2, []]);
    test.releaseAll();
  });

  it("[F13] with 'allow' serves runs by hand in the same row", async () => {
    const begun: unknown[] = [];
    const held = gate();
    const Worker = worker(
      [],
      async ({ payload }) => {
        begun.push(payload);
        await held.opened;
      },
      { overlap: 'allow', maxConcurrency: 3 },
    );
    const { registry } = await startApp({ providers: [Worker] });
    const payloads = Array.from({ length: 50 }, (_, index) => index);
    const reports = payloads.map((payload) => registry.run('Worker.run', { payload }));
    await turns();
    expect(begun).toEqual([0, 1, 2]);
    held.open();
    for (const report of reports) expect((await report).outcome).toBe('succeeded');
    expect(begun).toEqual(payloads);
  });

  it("[F13] with 'skip' drops what is above", async () => {
    const test = await slotApp('cron', { a: { overlap: 'skip', maxConcurrency: 3 } });
    await advance(5_000);
    expect(test.begun).toEqual(slots(1, 3));
    expect(test.skipped).toEqual(['a 4 overlap', 'a 5 overlap']);
    test.release();
    await advance(1_000);
    expect(test.begun).toEqual([...slots(1, 3), 'a 6']);
    test.releaseAll();
  });

  it("[F13][F7] with 'buffer-one' merges what is above", async () => {
    const test = await slotApp('interval', { a: { maxConcurrency: 2 } });
    await advance(5_000);
    expect(test.begun).toEqual(slots(1, 2));
    expect(test.skipped).toEqual(['a 3 merged', 'a 4 merged']);
    test.release();
    await advance(0);
    expect(test.begun).toEqual([...slots(1, 2), 'a 5']);
    expect(test.mostAtOnce()).toBe(2);
    test.releaseAll();
  });

  it('[F13] is for each schedule: a long tick never delays another schedule', async () => {
    const limits: Record<string, HandlerOptions> = {
      a: { overlap: 'allow', maxConcurrency: 1 },
      b: { overlap: 'allow', maxConcurrency: 1 },
      c: { overlap: 'skip' },
      d: { overlap: 'buffer-one' },
    };
    const test = await slotApp('cron', limits);
    await advance(1_000);
    expect([...test.begun].sort()).toEqual(['a 1', 'b 1', 'c 1', 'd 1']);
    for (const { schedule, scheduledAt, firedAt } of test.ticks)
      expect([schedule, firedAt]).toEqual([schedule, scheduledAt]);
    test.releaseAll();
  });

  it('[F13] counts a tick in its wait for the next attempt', async () => {
    const test = await slotApp('cron', {
      a: {
        overlap: 'allow',
        maxConcurrency: 1,
        timeoutMs: 100,
        retry: { attempts: 2, backoffMs: 1_500 },
      },
    });
    await advance(2_500);
    expect(test.begun).toEqual(['a 1']);
    await advance(100);
    expect(test.begun).toEqual(['a 1', 'a 1']);
    await advance(100);
    expect(test.finished).toEqual(['a 1 timed-out']);
    expect(test.begun).toEqual(['a 1', 'a 1', 'a 2']);
    test.registry.pause('a');
    test.registry.cancel('a');
  });

  describe("what waits with 'allow'", () => {
    const options = { overlap: 'allow', maxConcurrency: 1 } as const;

    it('[E6] never runs when the application closes', async () => {
      const test = await slotApp('cron', { a: options }, { drainTimeoutMs: 1_000 });
      await advance(3_000);
      const close = closing(test);
      await turns();
      expect(test.skipped).toEqual(['a 2 stopping', 'a 3 stopping']);
      test.release();
      await close.promise;
      expect(test.begun).toEqual(['a 1']);
    });

    it('is skipped by a pause; after resume the grid goes on', async () => {
      const test = await slotApp('cron', { a: options });
      await advance(3_000);
      test.registry.pause('a');
      expect(test.skipped).toEqual(['a 2 paused', 'a 3 paused']);
      test.registry.resume('a');
      test.release();
      await advance(1_000);
      expect(test.begun).toEqual(['a 1', 'a 4']);
      test.releaseAll();
    });

    it('is skipped by the removal', async () => {
      const test = await slotApp('cron', { a: options });
      await advance(3_000);
      test.registry.remove('a');
      expect(test.skipped).toEqual(['a 2 removed', 'a 3 removed']);
      test.release();
    });
  });

  it.each([
    ['0', 0, 1],
    ['negative', -1, 1],
    ['broken', 1.5, 15],
    ['without end', Infinity, Number.MAX_SAFE_INTEGER],
    ['text', '2', 2],
  ])('[C13] is refused when it is wrong: %s', async (_, wrong, right) => {
    const start = (maxConcurrency: unknown): Promise<unknown> =>
      slotApp('cron', { a: { maxConcurrency: maxConcurrency as number } });
    await expect(start(wrong)).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    await expect(start(right)).resolves.toBeDefined();
  });
});

describe('the guard', () => {
  it.each(['skip', 'buffer-one'] as const)(
    '[F11] never expires while the handler runs, for days: %s',
    async (overlap) => {
      const held = gate();
      let running = 0;
      let most = 0;
      const { registry } = await startApp({});
      registry.add({
        name: 'a',
        everyMs: 3_600_000,
        overlap,
        handler: async () => {
          most = Math.max(most, (running += 1));
          await held.opened;
          running -= 1;
        },
      });
      await advance(3_600_000);
      for (let day = 0; day < 3; day += 1) await advance(DAY);
      expect([running, most]).toEqual([1, 1]);
      expect(registry.get('a').running).toBe(1);
      held.open();
      await advance(0);
      expect([running, most]).toEqual([0, 1]);
      await advance(3_600_000);
      expect(registry.get('a').lastReport).toMatchObject({ outcome: 'succeeded' });
    },
  );

  it('[F11] never expires while the handler runs, though the machine sleeps for days', async () => {
    const test = await slotApp('cron', { a: { misfire: 'skip' } });
    await advance(1_000);
    leap(30 * DAY);
    await advance(10_000);
    expect(test.begun).toEqual(['a 1']);
    test.release();
    await advance(1_000);
    expect(test.begun).toHaveLength(2);
    test.releaseAll();
  });

  it('[F11] is held until the scope of the tick is disposed', async () => {
    const held = gate();
    const Worker = worker([], ({ scope }) => scope.defer(() => held.opened), { overlap: 'skip' });
    const { registry } = await startApp({
      providers: [Worker],
      options: { disposeTimeoutMs: 60_000 },
    });
    const first = registry.run('Worker.run');
    await turns();
    expect(await registry.run('Worker.run')).toMatchObject({ reason: 'overlap' });
    held.open();
    await first;
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
  });
});
