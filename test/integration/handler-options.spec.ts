import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  type HandlerOptions,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { at, intervalApp } from '../support/interval-app.js';
import { worker } from '../support/probes.js';

beforeEach(() => useFakeClock());
afterEach(async () => {
  await closeApps();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** One cron of every second; records when each tick was due and when it was fired, and its trigger. */
async function secondly(options: HandlerOptions, work: (tick: Tick) => unknown = () => undefined) {
  const due: string[] = [];
  const fired: string[] = [];
  const triggers: string[] = [];
  @ScopedWorker()
  class Cleaner {
    @ScopedCron('* * * * * *', options)
    clean(tick: Tick): unknown {
      due.push(tick.scheduledAt.toISOString());
      fired.push(tick.firedAt.toISOString());
      triggers.push(tick.trigger);
      return work(tick);
    }
  }
  return { ...(await startApp({ providers: [Cleaner] })), due, fired, triggers };
}

describe('onFailure', () => {
  const fail = (): never => {
    throw new Error('disk full');
  };

  it("'pause' pauses the schedule after the first failed tick, until it is resumed", async () => {
    const { registry, due } = await secondly({ onFailure: 'pause' }, fail);
    await advance(3_000);
    expect(due).toEqual(at(1_000));
    expect(registry.get('Cleaner.clean').state).toBe('paused');
    registry.resume('Cleaner.clean');
    await advance(2_000);
    expect(due).toEqual(at(1_000, 4_000));
  });

  it("'pause' pauses after a tick that timed out", async () => {
    const { registry, due } = await secondly(
      { onFailure: 'pause', timeoutMs: 100 },
      ({ signal }) =>
        new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    );
    await advance(3_000);
    expect(due).toEqual(at(1_000));
    expect(registry.get('Cleaner.clean').lastReport?.outcome).toBe('timed-out');
  });

  it("'pause' leaves a schedule alone that succeeds or is cancelled", async () => {
    const { registry, next } = await secondly({ onFailure: 'pause' }, ({ signal, payload }) =>
      payload === 'wait'
        ? new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason as Error)),
          )
        : undefined,
    );
    await advance(1_000);
    const started = next('tick:started');
    const run = registry.run('Cleaner.clean', { payload: 'wait' });
    await started;
    await advance(0);
    registry.cancel('Cleaner.clean');
    expect((await run).outcome).toBe('cancelled');
    expect(registry.get('Cleaner.clean').state).toBe('active');
  });

  describe("'stop-app' ends the process", () => {
    const stopApp = async (more: Partial<TestAppOptions> = {}) => {
      const exited = gate();
      jest.spyOn(process, 'exit').mockImplementation((() => exited.open()) as never);
      const test = await startApp({
        providers: [worker([], fail, { onFailure: 'stop-app' }), ...(more.providers ?? [])],
        ...(more.options === undefined ? {} : { options: more.options }),
      });
      return { ...test, exited };
    };
    const { exitCode } = process;
    afterEach(() => void (process.exitCode = exitCode));

    it('[D13] at the latest 10 s after the time of the drain, though a hook of the application hangs', async () => {
      const hung = gate();
      class Stuck {
        onModuleDestroy(): Promise<void> {
          return hung.opened;
        }
      }
      const { registry, log, exited } = await stopApp({
        providers: [Stuck],
        options: { shutdownTimeoutMs: 1_000 },
      });
      await registry.run('Worker.run');
      await advance(10_999);
      expect(process.exit).not.toHaveBeenCalled();
      await advance(1);
      await exited.opened;
      expect(log.of('error').at(-1)).toMatch(/did not close within 11000 ms/);
      hung.open();
    });

    it('[D13] and waits for hooks with the longest limit too', async () => {
      const held = gate();
      const asked = gate();
      class Slow {
        onModuleDestroy(): Promise<void> {
          asked.open();
          return held.opened;
        }
      }
      const options = { shutdownTimeoutMs: 2_147_483_647 };
      const { registry, exited } = await stopApp({ providers: [Slow], options });
      await registry.run('Worker.run');
      await asked.opened;
      await advance(60_000);
      expect(process.exit).not.toHaveBeenCalled();
      held.open();
      await exited.opened;
    });

    it('[D13] with all hooks, though the logger of the application throws', async () => {
      const destroyed = gate();
      class Pool {
        onModuleDestroy(): void {
          destroyed.open();
        }
      }
      const { registry, log, exited } = await stopApp({ providers: [Pool] });
      log.fatal = () => {
        throw new Error('log stream closed');
      };
      await registry.run('Worker.run');
      await destroyed.opened;
      await exited.opened;
      expect(process.exit).toHaveBeenCalledTimes(1);
    });
  });

  it("'pause' drops the slot that waited while the failing tick ran", async () => {
    const held = gate();
    let runs = 0;
    const { events } = await intervalApp(
      1_000,
      async () => {
        runs += 1;
        await held.opened;
        throw new Error('disk full');
      },
      { onFailure: 'pause' },
    );
    const reasons: unknown[] = [];
    events.on('tick:skipped', ({ reason }) => reasons.push(reason));
    await advance(2_500);
    held.open();
    await advance(0);
    expect(runs).toBe(1);
    expect(reasons).toEqual(['paused']);
  });

  it.each([undefined, 'continue'] as const)('%p lets the schedule go on', async (onFailure) => {
    const { due } = await secondly(onFailure === undefined ? {} : { onFailure }, fail);
    await advance(3_000);
    expect(due).toEqual(at(1_000, 2_000, 3_000));
  });
});

describe('initialDelayMs', () => {
  it('keeps a cron from being due before it is over', async () => {
    const { due } = await secondly({ initialDelayMs: 2_500 });
    await advance(4_000);
    expect(due).toEqual(at(3_000, 4_000));
  });

  it('runs before the delay of a timeout', async () => {
    const due: string[] = [];
    @ScopedWorker()
    class Once {
      @ScopedTimeout(1_000, { initialDelayMs: 500 })
      run(tick: Tick): void {
        due.push(tick.scheduledAt.toISOString());
      }
    }
    await startApp({ providers: [Once] });
    await advance(5_000);
    expect(due).toEqual(at(1_500));
  });

  it('of 0 does not delay', async () => {
    const { due } = await secondly({ initialDelayMs: 0 });
    await advance(1_000);
    expect(due).toEqual(at(1_000));
  });
});

describe('jitterMs', () => {
  it('fires a tick late by a part of it, and keeps the due times', async () => {
    const { due, fired } = await secondly({ jitterMs: 800 });
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    await advance(3_399);
    expect(fired).toEqual(at(1_400, 2_400));
    await advance(1);
    expect(fired).toEqual(at(1_400, 2_400, 3_400));
    expect(due).toEqual(at(1_000, 2_000, 3_000));
  });

  it('never fires early, nor later than that', async () => {
    const { due, fired } = await secondly({ jitterMs: 300 });
    await advance(60_300);
    const lateness = fired.map((time, index) => Date.parse(time) - Date.parse(due[index]!));
    expect(lateness).toHaveLength(60);
    expect(Math.min(...lateness)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...lateness)).toBeLessThanOrEqual(300);
    expect(new Set(lateness).size).toBeGreaterThan(10);
  });

  it('fires nothing that still waits when the application is closed', async () => {
    const { app, fired } = await secondly({ jitterMs: 10_000 });
    jest.spyOn(Math, 'random').mockReturnValue(0.9);
    await advance(3_000);
    await app.close();
    await advance(20_000);
    expect(fired).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('runOnStart', () => {
  it('[D38] fires exactly once, besides the grid', async () => {
    const { due, triggers } = await secondly({ runOnStart: true });
    await advance(2_500);
    expect(due).toEqual(at(0, 1_000, 2_000));
    expect(triggers).toEqual(['start', 'cron', 'cron']);
  });

  it('[D38] fires exactly once together with a cron that is due', async () => {
    const { due, triggers } = await secondly({
      runOnStart: true,
      initialDelayMs: 2_000,
      overlap: 'allow',
    });
    await advance(3_500);
    expect(due).toEqual(at(2_000, 3_000));
    expect(triggers).toEqual(['start', 'cron']);
  });

  it.each<[string, () => MethodDecorator, string[]]>([
    [
      'an interval',
      () => ScopedInterval(1_000, { runOnStart: true, initialDelayMs: 500, overlap: 'allow' }),
      at(500, 1_500, 2_500),
    ],
    ['a timeout of 0', () => ScopedTimeout(0, { runOnStart: true, overlap: 'allow' }), at(0)],
  ])('[D38] runs a slot once that %s has at the start as well', async (_, decorator, expected) => {
    const due: string[] = [];
    @ScopedWorker()
    class Opening {
      @decorator()
      run(tick: Tick): void {
        due.push(tick.scheduledAt.toISOString());
      }
    }
    await startApp({ providers: [Opening] });
    await advance(2_600);
    expect(due).toEqual(expected);
  });

  it('[D38] does not fire a schedule that is disabled', async () => {
    const { due } = await secondly({ runOnStart: true, disabled: true });
    await advance(2_000);
    expect(due).toEqual([]);
  });
});
