import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScopedInterval, ScopedWorker, type Tick, type ProviderScope } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { turn, gate } from '../support/gate.js';
import { OnDemand, RequestScoped, Transient, worker } from '../support/probes.js';
import { ModuleRef } from '@nestjs/core';

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

    it('[J1] lets go of the payload though the signal of the tick is kept', async () => {
      let signal: AbortSignal | undefined;
      const { registry } = await startApp({
        providers: [worker([], (tick) => void (signal = tick.signal))],
      });
      const run = (): Promise<unknown> => {
        const payload = {};
        built.push(new WeakRef(payload));
        return registry.run('Worker.run', { payload });
      };
      await run();
      await collectGarbage();

      expect(signal?.aborted).toBe(false);
      expect(alive()).toBe(0);
    });

    it('[J1, B19] lets go of the instances though a closed standalone scope is kept', async () => {
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

  describe('when user code drops every reference', () => {
    class Dropped extends Noted {
      static disposals = 0;
      [Symbol.dispose](): void {
        Dropped.disposals += 1;
      }
    }
    RequestScoped()(Dropped);
    beforeEach(() => void (Dropped.disposals = 0));

    /** Resolves a provider and drops the scope; returns only a weak reference to the scope. */
    async function drop(scope: ProviderScope): Promise<WeakRef<ProviderScope>> {
      await scope.resolve(Dropped);
      return new WeakRef(scope);
    }

    it('[J5] keeps the scope of a tick for the whole tick, and disposes its instances after it', async () => {
      const dropped = gate<WeakRef<ProviderScope>>();
      const mayEnd = gate();
      const { registry } = await startApp({
        providers: [
          worker([], (tick) =>
            drop(tick.scope)
              .then(dropped.open)
              .then(() => mayEnd.opened),
          ),
          Dropped,
        ],
      });
      const ended = registry.run('Worker.run');
      const scope = await dropped.opened;
      await collectGarbage();
      expect(scope.deref()).toBeDefined();
      expect(alive()).toBe(1);
      expect(Dropped.disposals).toBe(0);
      mayEnd.open();
      await ended;

      expect(Dropped.disposals).toBe(1);
    });

    it('[J5] keeps a standalone scope that nobody closed, until the application closes it', async () => {
      const { scopes, app, registry } = await startApp({ providers: [Dropped] });
      await scopes.open().then(drop);
      await collectGarbage();
      expect(registry.stats().openScopes).toBe(1);
      expect(alive()).toBe(1);
      expect(Dropped.disposals).toBe(0);
      await app.close();

      expect(Dropped.disposals).toBe(1);
    });
  });

  describe('when a stray timer outlives the work that started it', () => {
    const strays: NodeJS.Timeout[] = [];
    const stray = (): void => void strays.push(setInterval(() => undefined, 3_600_000).unref());
    afterEach(() => strays.splice(0).forEach(clearInterval));

    @RequestScoped()
    class Stray extends Noted {
      constructor() {
        super();
        stray();
      }
    }

    it('[J6] does not keep the scope of a tick, its worker or its probes', async () => {
      const { registry } = await startApp({
        providers: [
          ...providers,
          Stray,
          worker([Disposable, Stray, ModuleRef], async (tick) => {
            built.push(new WeakRef(tick), new WeakRef(tick.scope));
            stray();
            await turn();
            stray();
          }),
        ],
      });
      await registry.run('Worker.run');
      await collectGarbage();

      expect(strays).toHaveLength(3);
      expect(built).toHaveLength(5);
      expect(alive()).toBe(0);
    });

    it('[J6] does not keep a standalone scope, nor one that was opened inside of a tick', async () => {
      const { registry, scopes } = await startApp({
        providers: [
          ...providers,
          Stray,
          worker([], async () => {
            await scopes.run((scope) => {
              built.push(new WeakRef(scope));
              stray();
              return scope.resolve(Stray);
            });
          }),
        ],
      });
      await registry.run('Worker.run');
      await scopes.open().then(async (scope) => {
        built.push(new WeakRef(scope));
        await scope.resolve(Stray);
        await scope.complete();
      });
      await collectGarbage();

      expect(strays).toHaveLength(3);
      expect(built).toHaveLength(4);
      expect(alive()).toBe(0);
    });
  });

  describe('when a closed standalone scope is kept', () => {
    it('[J6] its instances can be collected, though their disposers have failed', async () => {
      @RequestScoped()
      class Failing extends Noted {
        async [Symbol.asyncDispose](): Promise<void> {
          await turn();
          throw new Error('cannot disconnect');
        }
      }
      const { scopes } = await startApp({ providers: [Failing] });
      const scope = await scopes.open();
      await (async () => void (await scope.resolve(Failing)))();
      await scope.complete().catch(() => undefined);
      await collectGarbage();

      expect(scope.closed).toBe(true);
      expect(built).toHaveLength(1);
      expect(alive()).toBe(0);
    });
  });
});
