import { Inject, Injectable, Module, Scope, type Type } from '@nestjs/common';
import {
  type ContextId,
  ContextIdFactory,
  type ContextIdResolver,
  type ContextIdStrategy,
  ModuleRef,
  REQUEST,
} from '@nestjs/core';
import {
  currentTick,
  ProviderScopeFactory,
  ScopeClosedError,
  ScopedCron,
  ScopedWorker,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

describe('The scope of a tick', () => {
  afterEach(closeApps);

  describe('when a request-scoped provider is injected in many places', () => {
    @Injectable()
    class Left {
      constructor(readonly probe: Probe) {}
    }

    @Injectable()
    class Right {
      @Inject(Probe) readonly probe!: Probe;
    }

    @Module({ providers: [...PROBES, Left, Right], exports: [Probe, Left, Right] })
    class SharedModule {}

    @ScopedWorker()
    class Spread {
      constructor(
        readonly left: Left,
        readonly right: Right,
        readonly probe: Probe,
      ) {}

      @ScopedCron(YEARLY)
      async tick({ scope }: Tick): Promise<unknown[]> {
        const resolved = await scope.resolve(Probe);
        return [this.probe, this.left.probe, this.right.probe, resolved];
      }
    }

    it('[A1] a request-scoped provider is the same object wherever it is injected', async () => {
      const { registry } = await startApp({ imports: [SharedModule], providers: [Spread] });
      const { value } = await registry.run('Spread.tick');
      expect(new Set(value as Probe[])).toHaveProperty('size', 1);
    });

    it('[A1] no two ticks share one, neither one after the other nor at once', async () => {
      const { registry, app } = await startApp({ imports: [SharedModule], providers: [Spread] });
      for (let run = 0; run < 3; run += 1) await registry.run('Spread.tick');
      expect(app.get(ProbeJournal, { strict: false }).created).toHaveLength(3);
    });
  });

  describe('when a provider asks Nest for the context of the request', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Asking {
      readonly early: ContextId;

      constructor(
        @Inject(REQUEST) readonly request: Record<string, unknown>,
        readonly probe: Probe,
        readonly moduleRef: ModuleRef,
      ) {
        this.early = ContextIdFactory.getByRequest(request);
      }

      async look(): Promise<unknown> {
        const id = ContextIdFactory.getByRequest(this.request);
        return [
          (await this.moduleRef.resolve(Probe, id, { strict: false })) === this.probe,
          this.early === id,
          id === currentTick()!.scope.contextId,
        ];
      }
    }

    @ScopedWorker()
    class Worker {
      constructor(readonly asking: Asking) {}

      @ScopedCron(YEARLY)
      tick(): Promise<unknown> {
        return this.asking.look();
      }
    }

    class TenantStrategy implements ContextIdStrategy {
      readonly seen: unknown[] = [];

      attach(contextId: ContextId, request: unknown): ContextIdResolver {
        this.seen.push(request);
        return { resolve: () => contextId, payload: {} };
      }
    }

    /** A worker that keeps its ticks. */
    function keepingIn(ticks: Tick[]): Type {
      @ScopedWorker()
      class Keeping {
        @ScopedCron(YEARLY)
        tick(tick: Tick): void {
          ticks.push(tick);
        }
      }
      return Keeping;
    }

    afterEach(() => ContextIdFactory.apply(undefined as never));

    it('[A1] it finds the instances of its tick, also once a plan builds them', async () => {
      const { registry } = await startApp({ providers: [...PROBES, Asking, Worker] });
      for (let run = 0; run < 4; run += 1) {
        const { value, built } = await registry.run('Worker.tick');
        expect(value).toEqual([true, true, true]);
        expect(built).toBe(3);
      }
    });

    it('[A1] it does so under a ContextIdStrategy, which sees each tick once', async () => {
      const strategy = new TenantStrategy();
      ContextIdFactory.apply(strategy);
      const { registry } = await startApp({ providers: [...PROBES, Asking, Worker] });
      const { value } = await registry.run('Worker.tick');
      expect(value).toEqual([true, true, true]);
      const seen = strategy.seen.filter((request) => (request as Partial<Tick>).schedule);
      expect(seen).toHaveLength(1);
    });

    it('[A1] the strategy may read the ids of the scope and of the tick around it', async () => {
      const found: unknown[] = [];
      class Reading extends TenantStrategy {
        override attach(contextId: ContextId, request: unknown): ContextIdResolver {
          const outer = currentTick();
          if (outer !== undefined && outer !== request)
            found.push(ContextIdFactory.getByRequest(outer as never) === outer.scope.contextId);
          const isFirst = !this.seen.includes(request);
          const resolver = super.attach(contextId, request);
          if (isFirst) void (request as Partial<Tick>).scope?.contextId;
          return resolver;
        }
      }
      ContextIdFactory.apply(new Reading());
      @ScopedWorker()
      class Opening {
        constructor(
          @Inject(REQUEST) readonly request: unknown,
          readonly scopes: ProviderScopeFactory,
        ) {}

        @ScopedCron(YEARLY)
        async tick(tick: Tick): Promise<boolean> {
          await this.scopes.run(() => undefined, { request: { order: 5 } });
          return this.request === tick;
        }
      }
      const { registry } = await startApp({ providers: [Opening] });
      const { value, error } = await registry.run('Opening.tick');
      expect(error).toBeUndefined();
      expect(value).toBe(true);
      expect(found).toEqual([true]);
    });

    it('[A1] a scope whose request is an ended tick asks the ContextIdStrategy for its own parent', async () => {
      const strategy = new TenantStrategy();
      ContextIdFactory.apply(strategy);
      const ticks: Tick[] = [];
      const Keeping = keepingIn(ticks);
      const { registry, scopes } = await startApp({ providers: [Keeping] });
      await registry.run('Keeping.tick');
      await scopes.run(() => undefined, { request: ticks[0] });
      expect(strategy.seen.filter((request) => request === ticks[0])).toHaveLength(2);
    });

    it('[A1] code of an ended tick is refused instead of building outside any scope', async () => {
      const ticks: Tick[] = [];
      const Keeping = keepingIn(ticks);
      const { registry, app } = await startApp({ providers: [...PROBES, Keeping] });
      await registry.run('Keeping.tick');
      const id = ContextIdFactory.getByRequest(ticks[0] as never);
      const late = app.get(ModuleRef).resolve(Probe, id, { strict: false });
      await expect(late).rejects.toThrow(ScopeClosedError);
    });
  });

  describe('when another scope is opened inside it', () => {
    @ScopedWorker()
    class Nesting {
      constructor(
        readonly probe: Probe,
        readonly scopes: ProviderScopeFactory,
      ) {}

      @ScopedCron(YEARLY)
      async tick({ scope }: Tick): Promise<unknown> {
        const inner = await this.scopes.open();
        const other = await inner.resolve(Probe);
        const request = await inner.resolve(REQUEST);
        await inner.complete();
        return {
          isOther: other !== this.probe,
          otherIsDisposed: other.isDisposed,
          ownIsDisposed: this.probe.isDisposed,
          ownIsKept: (await scope.resolve(Probe)) === this.probe,
          request,
        };
      }
    }

    it("[A2] the inner scope never sees the tick's instances, and closing it leaves them alive", async () => {
      const { registry } = await startApp({ providers: [...PROBES, Nesting] });
      const { value } = await registry.run('Nesting.tick');
      expect(value).toEqual({
        isOther: true,
        otherIsDisposed: true,
        ownIsDisposed: false,
        ownIsKept: true,
        request: undefined,
      });
    });

    it('[A2] a scope that outlives the tick is alive when the tick has ended', async () => {
      @ScopedWorker()
      class Leaving {
        constructor(readonly scopes: ProviderScopeFactory) {}

        @ScopedCron(YEARLY)
        tick(): unknown {
          return this.scopes.open();
        }
      }
      const { registry, scopes, app } = await startApp({ providers: [...PROBES, Leaving] });
      expect(scopes).toBe(app.get(ProviderScopeFactory));
      const { value } = await registry.run('Leaving.tick');
      const outliving = value as Awaited<ReturnType<ProviderScopeFactory['open']>>;
      const probe = await outliving.resolve(Probe);
      expect(probe.isDisposed).toBe(false);
      await outliving.complete();
      expect(probe.isDisposed).toBe(true);
    });
  });

  describe('when one factory opens many scopes', () => {
    it('[A3] closing the outer one first leaves the inner one alive', async () => {
      const { scopes } = await startApp({ providers: PROBES });
      const outer = await scopes.open();
      const inner = await scopes.open();
      const [ofOuter, ofInner] = [await outer.resolve(Probe), await inner.resolve(Probe)];
      await outer.complete();
      expect([ofOuter.isDisposed, ofInner.isDisposed]).toEqual([true, false]);
      expect(await inner.resolve(Probe)).toBe(ofInner);
      await inner.complete();
      expect(ofInner.isDisposed).toBe(true);
    });

    it('[A3] it opens them again and again, nested and at once, each with its own instances', async () => {
      const { scopes, app, registry } = await startApp({ providers: PROBES });
      const one = (): Promise<Probe> => scopes.run((scope) => scope.resolve(Probe));

      await one();
      await one();
      await scopes.run(async (outer) => {
        await outer.resolve(Probe);
        await scopes.run(async (inner) => {
          await inner.resolve(Probe);
          await one();
        });
      });
      await Promise.all(Array.from({ length: 20 }, one));

      const { created, disposed } = app.get(ProbeJournal);
      expect(created).toHaveLength(25);
      expect(new Set(disposed)).toEqual(new Set(created));
      expect(registry.stats()).toMatchObject({ openedScopes: 25, closedScopes: 25 });
    });
  });

  describe('when a handler keeps state on its worker', () => {
    @ScopedWorker()
    class Stateful {
      count = 0;

      @ScopedCron(YEARLY)
      tick(): unknown {
        this.count += 1;
        return [this, this.count];
      }
    }

    it('[A11] the state is gone on the next tick, because the worker is new', async () => {
      const { registry } = await startApp({ providers: [Stateful] });
      const [first] = (await registry.run('Stateful.tick')).value as [Stateful, number];
      const [second, count] = (await registry.run('Stateful.tick')).value as [Stateful, number];
      expect(second).not.toBe(first);
      expect(count).toBe(1);
    });

    it('[A11] two overlapping ticks have two workers', async () => {
      const held = gate();
      @ScopedWorker()
      class Overlapping {
        @ScopedCron(YEARLY, { overlap: 'allow' })
        async tick(): Promise<unknown> {
          await held.opened;
          return this;
        }
      }
      const { registry } = await startApp({ providers: [Overlapping] });
      const ticks = [registry.run('Overlapping.tick'), registry.run('Overlapping.tick')];
      held.open();
      const [first, second] = await Promise.all(ticks);
      expect(first!.value).toBeInstanceOf(Overlapping);
      expect(first!.value).not.toBe(second!.value);
    });
  });
});
