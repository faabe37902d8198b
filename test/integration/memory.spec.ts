import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScopedInterval, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { turn } from '../support/gate.js';
import { OnDemand, RequestScoped, Transient, worker } from '../support/probes.js';

jest.setTimeout(300_000); // 10,000 ticks with full garbage collections

describe('Memory', () => {
  let built: WeakRef<object>[] = [];
  const alive = (): number => built.filter((ref) => ref.deref() !== undefined).length;

  /** Notes itself when it is built, without being kept. */
  class Noted {
    constructor() {
      built.push(new WeakRef(this));
    }
  }
  @RequestScoped()
  class Plain extends Noted {}
  @RequestScoped()
  class Disposable extends Noted {
    constructor(readonly plain: Plain) {
      super();
    }
    async [Symbol.asyncDispose](): Promise<void> {
      await turn();
    }
    onScopeCommit(): void {}
  }
  @ScopedWorker()
  class Worker extends Noted {
    constructor(readonly disposable: Disposable) {
      super();
    }
    @OnDemand()
    succeed(tick: Tick): string {
      built.push(new WeakRef(tick.scope));
      return 'done';
    }
    @OnDemand()
    fail(tick: Tick): never {
      built.push(new WeakRef(tick.scope));
      throw new Error('down');
    }
    @OnDemand({ timeoutMs: 1 })
    async timeOut(tick: Tick): Promise<void> {
      built.push(new WeakRef(tick.scope));
      await new Promise((resolve) => tick.signal.addEventListener('abort', resolve));
    }
  }
  const providers = [Worker, Disposable, Plain];

  beforeEach(() => void (built = []));
  afterEach(async () => {
    jest.useRealTimers();
    await closeApps();
  });

  describe('when a tick has ended', () => {
    it.each(['succeed', 'fail', 'timeOut'])(
      '[J1] lets go of worker, probes and scope though the report is kept: %s',
      async (method) => {
        const { registry } = await startApp({ providers });
        const report = await registry.run(`Worker.${method}`);
        expect(built).toHaveLength(4);
        await collectGarbage();

        expect(alive()).toBe(0);
        expect(report.schedule).toBe(`Worker.${method}`);
        expect(registry.get(`Worker.${method}`).lastReport?.tickId).toBe(report.tickId);
      },
    );

    it('[J1, B19] lets go of the instances though a closed scope by hand is kept', async () => {
      const { scopes } = await startApp({ providers });
      const scope = await scopes.open();
      await scope.resolve(Disposable);
      await collectGarbage();
      expect(alive()).toBe(2);
      await scope.complete();
      await collectGarbage();

      expect(alive()).toBe(0);
      expect(scope.closed).toBe(true);
    });

    it('[J1] lets go of what a failed construction has built', async () => {
      @RequestScoped()
      class Broken extends Noted {
        constructor(readonly disposable: Disposable) {
          super();
          throw new Error('database down');
        }
      }
      const { registry } = await startApp({ providers: [...providers, worker([Broken]), Broken] });
      const report = await registry.run('Worker.run');
      expect(built).toHaveLength(3);
      await collectGarbage();

      expect(alive()).toBe(0);
      expect(report.phase).toBe('resolve');
    });
  });

  it('[J1] leaves no timer after the application has closed, for all that was due or timed', async () => {
    @ScopedWorker()
    class Busy {
      constructor(readonly disposable: Disposable) {}
      @ScopedInterval(1_000, { timeoutMs: 60_000 })
      poll(): void {
        polled += 1;
      }
      @ScopedInterval(3_600_000, { initialDelayMs: 60_000, runOnStart: true })
      later(): void {}
    }
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    let polled = 0;
    const { app } = await startApp({ providers: [...providers, Busy] });
    await jest.advanceTimersByTimeAsync(3_000);
    expect(polled).toBe(3);
    expect(jest.getTimerCount()).toBeGreaterThan(0);
    await app.close();

    expect(jest.getTimerCount()).toBe(0);
  });

  it('[J2] holds no more disposable transients than ticks run at once, over 10,000 ticks', async () => {
    let undisposed = 0;
    let most = 0;
    @Transient()
    class Part extends Noted {
      constructor() {
        super();
        undisposed += 1;
        most = Math.max(most, undisposed);
      }
      async [Symbol.asyncDispose](): Promise<void> {
        await Promise.resolve();
        undisposed -= 1;
      }
    }
    const concurrency = 8;
    const { registry } = await startApp({ providers: [worker([Part]), Part] });
    const lane = async (): Promise<void> => {
      for (let tick = 0; tick < 5_000 / concurrency; tick += 1) await registry.run('Worker.run');
    };
    for (let half = 0; half < 2; half += 1) {
      await Promise.all(Array.from({ length: concurrency }, lane));
      await collectGarbage();
      expect(alive()).toBe(0);
    }

    expect(built).toHaveLength(10_000);
    expect(most).toBeLessThanOrEqual(concurrency);
    expect(undisposed).toBe(0);
  });
});
