import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScopedInterval, ScopedWorker, type HandlerOptions, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, leap, useFakeClock } from '../support/fake-clock.js';
import { worker } from '../support/probes.js';

/** Reports that must not get lost in the life of a tick or of a slot. */
describe('what is reported', () => {
  afterEach(async () => {
    await closeApps();
    jest.useRealTimers();
  });

  describe('of a retried tick', () => {
    it.each<[string, HandlerOptions['retry']]>([
      ['jitter', { attempts: 2, jitter: undefined } as never],
      ['backoffMs', { attempts: 2, backoffMs: undefined } as never],
    ])('[XA8] %s: undefined does not count as an option', async (_what, retry) => {
      let attempts = 0;
      const Worker = worker(
        [],
        () => {
          attempts += 1;
          if (attempts === 1) throw new Error('once');
        },
        { retry: retry! },
      );
      const { registry, log } = await startApp({ providers: [Worker] });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded', attempts: 2 });
      expect(log.of('error')).toEqual([]);
    });

    /** Cancels a tick that waits for its second attempt. */
    async function logOfCancelledWait(handler: (tick: Tick) => never) {
      const retry = { attempts: 2, backoffMs: 60_000 };
      const { registry, log, next } = await startApp({
        providers: [worker([], handler, { retry })],
      });
      const waits = next('tick:retrying');
      const report = registry.run('Worker.run');
      await waits;
      registry.cancel('Worker.run');
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      return log;
    }

    it('[D16] an attempt that failed before the tick was cancelled is logged', async () => {
      const handler = (): never => {
        throw new Error('no answer');
      };
      const log = await logOfCancelledWait(handler);
      expect(log.of('warn')).toContainEqual(
        expect.stringMatching(
          /^Worker\.run cancelled \(tick-.+, cancel\) after .+: no answer\n {4}at /,
        ),
      );
    });

    it('[D16] that attempt and its disposer, which failed too, are logged in one line', async () => {
      const handler = ({ scope }: Tick): never => {
        scope.defer(() => {
          throw new Error('connection kept');
        });
        throw new Error('no answer');
      };
      const log = await logOfCancelledWait(handler);
      expect([...log.of('error'), ...log.of('warn')]).toEqual([
        expect.stringMatching(
          /^Worker\.run cancelled .+: no answer\. Also failed: connection kept$/,
        ),
      ]);
    });

    it('[B30] a disposer that failed after the first attempt is logged though the second succeeds', async () => {
      const handler = (tick: {
        attempt: number;
        scope: { defer(work: () => void): void };
      }): void => {
        if (tick.attempt > 1) return;
        tick.scope.defer(() => {
          throw new Error('connection kept');
        });
        throw new Error('once');
      };
      const { registry, log } = await startApp({
        providers: [worker([], handler as never, { retry: { attempts: 2 } })],
      });
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
      expect(log.of('error')).toEqual([expect.stringContaining('connection kept')]);
    });
  });

  describe('of a slot', () => {
    const ran: string[] = [];

    @ScopedWorker()
    class Job {
      @ScopedInterval(60_000, { name: 'start', runOnStart: true })
      atStart(): void {
        ran.push('start');
      }

      @ScopedInterval(60_000, { name: 'jitter', jitterMs: 10_000 })
      withJitter(): void {
        ran.push('jitter');
      }
    }

    beforeEach(() => {
      ran.length = 0;
      useFakeClock();
    });

    afterEach(() => void jest.restoreAllMocks());

    async function start() {
      const test = await startApp({ providers: [Job] });
      jest.spyOn(Math, 'random').mockReturnValue(0.5); // Nest draws its ids from it as well
      const skipped: string[] = [];
      test.events.on('tick:skipped', ({ schedule, reason }) =>
        skipped.push(`${schedule} ${reason}`),
      );
      return { ...test, skipped };
    }

    it('[XF8] one that was due when its schedule was removed is skipped', async () => {
      const { registry, skipped } = await start();
      registry.remove('start');
      await advance(1_000);
      expect([ran, skipped]).toEqual([[], ['start removed']]);
    });

    it.each([
      ['removed', [], ['jitter removed']],
      ['rescheduled', ['jitter'], []],
    ])(
      '[XF3] one that waits for its jitter when its schedule is %s is not lost',
      async (how, runs, skips) => {
        const { registry, skipped } = await start();
        registry.remove('start');
        await advance(61_000);
        skipped.length = 0;
        if (how === 'removed') registry.remove('jitter');
        else registry.reschedule('jitter', { everyMs: 3_600_000 });
        await advance(0);
        expect([ran, skipped]).toEqual([runs, skips]);
      },
    );

    it('[E9] those that a paused schedule misses are skipped as paused', async () => {
      const { registry, skipped, log } = await start();
      registry.remove('start');
      registry.pause('jitter');
      await advance(1_000);
      skipped.length = 0;
      leap(240_000);
      await advance(60_000);
      expect(new Set(skipped)).toEqual(new Set(['jitter paused']));
      expect(log.of('warn').filter((line) => line.startsWith('jitter'))).toEqual([]);
    });
  });
});
