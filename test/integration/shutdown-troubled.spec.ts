import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleDestroy, type Type } from '@nestjs/common';
import {
  inProcessEngine,
  ScopedInterval,
  ScopedWorker,
  type Engine,
  type Tick,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { closing, runningTick, turns, untilAborted } from '../support/running-tick.js';

appsOnFakeClock();

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

    it('[D8] ignores a second SIGINT within 250 ms, as Ctrl-C under npm sends it', async () => {
      const held = gate();
      process.on('SIGINT', ownListener);
      const test = await runningTick(() => held.opened, { drainTimeoutMs: 20_000 });
      const close = closing(test);
      await advance(249);
      process.emit('SIGINT', 'SIGINT');
      await turns();
      const isDone = [close.done];
      await advance(1);
      process.emit('SIGINT', 'SIGINT');
      await turns();
      isDone.push(close.done);
      held.open();
      await Promise.all([close.promise, test.report]);
      expect(isDone).toEqual([false, true]);
    });

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

    it('[D6] [D22] an engine whose stop never ends is abandoned, and named', async () => {
      const engine = engineThat((real) => {
        void real.stop();
        return new Promise(() => undefined);
      });
      const test = await runningTick(untilAborted, { engine, shutdownTimeoutMs: 100 });
      const finished = test.next('shutdown:finished');
      const close = closing(test);
      await advance(100);
      await close.promise;
      expect((await test.report).outcome).toBe('cancelled');
      expect((await finished).abandoned).toEqual(['the engine (patched)']);
    });

    it('an engine may wait for the ticks that it has fired', async () => {
      const fired: Promise<void>[] = [];
      const engine = engineThat(
        async (real) => {
          await real.stop();
          await Promise.all(fired);
        },
        (done) => fired.push(done),
      );
      const begun = gate();
      const held = (tick: Tick): Promise<never> => {
        begun.open();
        return untilAborted(tick);
      };
      const test = await startApp({ options: { engine }, providers: [atStart(held)] });
      const [report, finished] = [test.next('tick:finished'), test.next('shutdown:finished')];
      await advance(100);
      await begun.opened;
      await test.app.close();
      expect((await report).outcome).toBe('cancelled');
      expect((await finished).abandoned).toEqual([]);
    });

    it('[D3] a slot that is due while start-up settles is skipped, and the engine hears of it', async () => {
      const fired: Promise<void>[] = [];
      const engine = engineThat(
        (real) => real.stop(),
        (done) => fired.push(done),
      );
      const test = await startApp({ options: { engine }, providers: [atStart(() => undefined)] });
      const skipped = test.next('tick:skipped');
      await test.app.close();
      await Promise.all(fired);
      expect(fired).toHaveLength(1);
      expect(await skipped).toMatchObject({ trigger: 'start', reason: 'stopping' });
    });

    it('[D22] a standalone scope that fails to close does not keep the next from being closed', async () => {
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

/** A worker with a tick right after start-up. */
function atStart(handler: (tick: Tick) => unknown): Type {
  @ScopedWorker()
  class AtStart {
    @ScopedInterval(60_000, { runOnStart: true })
    run(tick: Tick): unknown {
      return handler(tick);
    }
  }
  return AtStart;
}

/** The in-process engine with another `stop()`; `onFire` receives what each slot settles with. */
function engineThat(
  stop: (real: Engine) => void | Promise<void>,
  onFire: (done: Promise<void>) => unknown = () => undefined,
): Engine {
  const real = inProcessEngine();
  return {
    name: 'patched',
    start: (schedules, host) =>
      real.start(schedules, {
        missed: (slots) => host.missed(slots),
        fire: (slot) => {
          const done = host.fire(slot);
          onFire(done);
          return done;
        },
      }),
    stop: () => stop(real),
    add: (schedule) => real.add(schedule),
    replace: (schedule) => real.replace(schedule),
    remove: (schedule) => real.remove(schedule),
    pause: (schedule) => real.pause(schedule),
    resume: (schedule) => real.resume(schedule),
    nextRun: (schedule) => real.nextRun(schedule),
  };
}
