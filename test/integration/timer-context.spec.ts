import { AsyncLocalStorage } from 'node:async_hooks';
import { jest } from '@jest/globals';
import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate, turn } from '../support/gate.js';
import { quietEngine } from '../support/quiet-engine.js';

const traces = new AsyncLocalStorage<string>();

describe('AsyncLocalStorage around a timer', () => {
  afterEach(closeApps);

  describe('when a timer fires a tick', () => {
    const seen: unknown[] = [];
    let held = gate();

    @ScopedWorker()
    class Timed {
      @ScopedInterval(1_000)
      everySecond(): void {
        seen.push(traces.getStore());
      }

      @ScopedInterval(1_000, { fixedDelay: true, jitterMs: 10 })
      delayed(): void {
        seen.push(traces.getStore());
      }

      @ScopedCron('* * * * * *')
      cron(): void {
        seen.push(traces.getStore());
      }

      @ScopedTimeout(1_000, { runOnStart: true })
      once(): void {
        seen.push(traces.getStore());
      }
    }

    @ScopedWorker()
    class Entrant {
      @ScopedInterval(1_000)
      grid(): void {
        this.enter();
      }

      @ScopedInterval(1_000, { fixedDelay: true })
      async delayed(): Promise<void> {
        this.enter();
        await turn();
        this.enter();
      }

      @ScopedCron('* * * * * *', { jitterMs: 1 })
      cron(): Promise<never> {
        this.enter();
        return Promise.reject(new Error('after entering'));
      }

      private enter(): void {
        seen.push(traces.getStore());
        traces.enterWith('entered');
      }
    }

    @ScopedWorker()
    class Buffering {
      @ScopedInterval(1_000)
      async tick(tick: Tick): Promise<void> {
        seen.push(`${tick.trigger}: ${traces.getStore()}`);
        await held.opened;
      }
    }

    beforeEach(() => {
      useFakeClock();
      seen.length = 0;
      held = gate();
    });

    afterEach(async () => {
      held.open();
      await closeApps();
      jest.useRealTimers();
    });

    it('[A19] it never sees what a tick before it has entered', async () => {
      await startApp({ providers: [Entrant] });
      await advance(4_000);
      expect(seen.length).toBeGreaterThanOrEqual(12);
      // Only the second call of one tick sees what the first has entered.
      expect(new Set(seen)).toEqual(new Set([undefined, 'entered']));
      expect(seen.filter((store) => store === 'entered').length).toBeLessThanOrEqual(4);
    });

    it('[A20] it never sees the store of the code that started the application', async () => {
      await traces.run('starter', () => startApp({ providers: [Timed] }));
      await advance(5_000);
      expect(seen.length).toBeGreaterThanOrEqual(16);
      expect(new Set(seen)).toEqual(new Set([undefined]));
    });

    it('[A20] nor does the engine, whose timers would keep it alive', async () => {
      const engine = quietEngine(() => seen.push(traces.getStore()));
      await traces.run('starter', () => startApp({ options: { engine }, providers: [Timed] }));
      expect(seen).toEqual([undefined]);
    });

    it('[A20] nor of the code that resumed the schedule', async () => {
      const { registry } = await startApp({ providers: [Timed] });
      registry.pause('Timed.everySecond');
      traces.run('resumer', () => registry.resume('Timed.everySecond'));
      await traces.run('advancer', () => advance(3_000));
      expect(new Set(seen)).toEqual(new Set([undefined]));
    });

    it('[A20] nor of the standalone tick that it had to wait for', async () => {
      const { registry } = await startApp({ providers: [Buffering] });
      const byHand = traces.run('x', () => registry.run('Buffering.tick'));
      await advance(1_000);
      held.open();
      await byHand;
      await turn();
      expect(seen).toEqual(['manual: x', 'interval: undefined']);
    });

    it('[A20] and a standalone tick that has to wait for it keeps the store of its caller', async () => {
      const { registry } = await startApp({ providers: [Buffering] });
      await advance(1_000);
      const byHand = traces.run('x', () => registry.run('Buffering.tick'));
      held.open();
      await byHand;
      expect(seen).toEqual(['interval: undefined', 'manual: x']);
    });
  });
});
