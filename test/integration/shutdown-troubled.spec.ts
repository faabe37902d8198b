import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { inProcessEngine, type Engine } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { closing, runningTick, turns, untilAborted } from '../support/running-tick.js';

beforeEach(() => useFakeClock());
afterEach(async () => {
  await closeApps();
  jest.useRealTimers();
});

describe('app.close()', () => {
  describe('when waiting is to end at once', () => {
    // The library adds its listener where the process handles a signal already.
    const ownListener = (): void => undefined;
    afterEach(() => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.off(signal, ownListener);
    });

    it.each([0, 10_000])(
      '[D8] does not wait with shutdownTimeoutMs: 0 and drainTimeoutMs: %i',
      async (drainTimeoutMs) => {
        const held = gate();
        const test = await runningTick(() => held.opened, { shutdownTimeoutMs: 0, drainTimeoutMs });
        await test.app.close();
        expect(performance.now()).toBe(0);
        expect(test.tick.signal.aborted).toBe(true);
        held.open();
        await test.report;
      },
    );

    it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
      '[D8] stops waiting when another signal comes: %s',
      async (signal) => {
        const held = gate();
        process.on(signal, ownListener);
        const test = await runningTick(() => held.opened, { drainTimeoutMs: 20_000 });
        const close = closing(test);
        await advance(1_000);
        expect(close.done).toBe(false);
        process.emit(signal);
        await close.promise;
        expect(performance.now()).toBe(1_000);
        expect(test.tick.signal.aborted).toBe(true);
        held.open();
        await test.report;
      },
    );

    it('[D8] listens to signals only while it waits', async () => {
      process.on('SIGTERM', ownListener);
      const listeners = (): number => process.listenerCount('SIGTERM');
      const before = listeners();
      const held = gate();
      const test = await runningTick(() => held.opened);
      expect(listeners()).toBe(before);
      const close = closing(test);
      await turns();
      expect(listeners()).toBe(before + 1);
      held.open();
      await close.promise;
      expect(listeners()).toBe(before);
    });

    it('[D8] leaves a signal alone that the process does not handle: it ends the process', async () => {
      const held = gate();
      const test = await runningTick(() => held.opened);
      const close = closing(test);
      await turns();
      expect(process.listenerCount('SIGTERM')).toBe(0);
      held.open();
      await close.promise;
    });
  });

  describe('when a phase of the stop fails', () => {
    it.each(['throws', 'rejects'])(
      '[D22] an engine whose stop %s does not skip the drain',
      async (how) => {
        const real = inProcessEngine();
        const engine: Engine = {
          name: 'broken',
          start: (schedules, host) => real.start(schedules, host),
          stop: () => {
            void real.stop();
            if (how === 'throws') throw new Error('engine is stuck');
            return Promise.reject(new Error('engine is stuck'));
          },
          add: () => undefined,
          replace: () => undefined,
          remove: () => undefined,
          pause: () => undefined,
          resume: () => undefined,
          nextRun: () => undefined,
        };
        const destroyed: string[] = [];
        @Injectable()
        class Pool implements OnModuleDestroy {
          onModuleDestroy(): void {
            destroyed.push('pool');
          }
        }
        const test = await runningTick(untilAborted, { engine }, [Pool]);
        await test.app.close();
        expect((await test.report).outcome).toBe('cancelled');
        expect(destroyed).toEqual(['pool']);
        expect(test.log.of('error')).toEqual([expect.stringContaining('engine is stuck')]);
      },
    );

    it('[D22] a scope by hand that fails to close does not keep the next from being closed', async () => {
      const test = await startApp({ providers: [worker([])] });
      const closed: string[] = [];
      for (const name of ['first', 'second', 'third']) {
        (await test.scopes.open()).defer(() => {
          closed.push(name);
          if (name !== 'third') throw new Error(`${name} failed`);
        });
      }
      await test.app.close();
      expect(closed.sort()).toEqual(['first', 'second', 'third']);
    });
  });
});
