import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ModuleRef } from '@nestjs/core';
import { ScopedWorker, type ProviderScope, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { gate, turn } from '../support/gate.js';
import { OnDemand, RequestScoped, worker } from '../support/probes.js';

describe('References to a scope', () => {
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
  afterEach(closeApps);

  describe('when user code drops every reference', () => {
    class Dropped extends Noted {
      static disposals = 0;
      [Symbol.dispose](): void {
        Dropped.disposals += 1;
      }
    }
    RequestScoped()(Dropped);
    beforeEach(() => void (Dropped.disposals = 0));

    /** Resolves and drops; what is left is a weak reference to the scope. */
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

    it('[J5] keeps a scope by hand that nobody closed, until the application closes it', async () => {
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

    it('[J6] does not keep a scope by hand, nor one that was opened inside of a tick', async () => {
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

  describe('when a closed scope by hand is kept', () => {
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
