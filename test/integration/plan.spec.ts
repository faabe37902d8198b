import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as common from '@nestjs/common';
import { forwardRef, Inject, Injectable, Scope, UseGuards, type Provider } from '@nestjs/common';
import * as core from '@nestjs/core';
import { ContextIdFactory, LazyModuleLoader, ModuleRef, REQUEST } from '@nestjs/core';
import * as library from '../../lib/index.js';
import {
  InjectTick,
  inspectScopes,
  ScopedWorker,
  type ProviderScope,
  type Tick,
} from '../../lib/index.js';
import { ScopedWorkerServices } from '../../lib/scoped-worker-services.js';
import { comparePlan } from '../../scripts/nest-fuzz/compare-plan.mjs';
import { closeApps, startApp, type TestApp, type TestAppOptions } from '../support/app.js';
import { DECORATES } from '../support/decorators.js';
import { gate, turn } from '../support/gate.js';
import { OnDemand, probes, RequestScoped, Transient, worker } from '../support/probes.js';

/** Builds by Nest before a plan is used. */
const FIRST_TICKS = 2;

// These tests count the ticks until there is a plan.
const onRecording = process.env['PLANS'] === 'rehearsed' ? describe.skip : describe;

onRecording('A plan', () => {
  const { journal, Probe, probe } = probes();
  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  /** Starts an application, and runs the ticks from which the plan of its worker is compiled. */
  async function startPlanned(options: TestAppOptions) {
    const started = await startApp(options);
    for (let tick = 0; tick < FIRST_TICKS; tick += 1) await started.registry.run('Worker.run');
    journal.lines.length = 0;
    return { ...started, byPlan: countPlans(started) };
  }

  /** Returns a function that returns how many builds a plan has made since. */
  function countPlans({ app }: Pick<TestApp, 'app'>): () => number {
    const begin = jest.spyOn(app.get(ScopedWorkerServices).plans, 'begin');
    return () => begin.mock.results.filter(({ value }) => value !== undefined).length;
  }

  it('[K3] builds what Nest builds, in the same order, with the same errors, in random applications', async () => {
    let planned = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const compared = await comparePlan(seed, { ...common, ...core }, library, (app) => {
        const services: ScopedWorkerServices = app.get(ScopedWorkerServices);
        return services.plans;
      });
      expect(compared.differences).toEqual([]);
      planned += compared.planned;
    }
    expect(planned).toBeGreaterThan(100);
  });

  describe('of a worker', () => {
    @RequestScoped()
    class Connection extends Probe {
      constructor(@Inject(REQUEST) readonly request: unknown) {
        super();
      }
    }

    @Transient()
    class Log extends Probe {}

    @RequestScoped() // Nest 11.0 overlooks what is injected into a property
    class Repo extends Probe {
      @Inject(Connection) readonly connection!: Connection;

      constructor(readonly log: Log) {
        super();
      }
    }

    const session: Provider = {
      provide: 'SESSION',
      inject: [Connection],
      useFactory: async (connection: Connection) => {
        await turn();
        return Object.assign(probe('Session'), { connection });
      },
    };
    const GRAPH = [Connection, Log, Repo, session];

    type Built = [Repo, { connection: Connection }, Connection];
    const whole = (tick: Tick, repo: Repo, { connection }: Built[1], own: Connection): boolean =>
      own.request === tick && repo.connection === own && connection === own;

    it('[K3] is used from the third tick on', async () => {
      const { registry, byPlan } = await startPlanned({
        providers: [...GRAPH, worker<Built>([Repo, 'SESSION', Connection], whole)],
      });
      await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true, built: 5 });

      expect(byPlan()).toBe(1);
      const built = ['Connection', 'Log', 'Repo', 'Session'];
      expect(journal.of('built').sort()).toEqual(built);
      expect(journal.of('disposed').sort()).toEqual(built);
    });

    it('[A1, K3] has Nest find its instances under the context id of the tick', async () => {
      const found = async ({ scope }: Tick, repo: Repo, _: unknown, own: Connection) => {
        const moduleRef = app.get(ModuleRef);
        return [
          (await moduleRef.resolve(Repo, scope.contextId, { strict: false })) === repo,
          (await scope.resolve(Connection)) === own,
          (await scope.resolve<Built[1]>('SESSION')).connection === own,
        ];
      };
      const { app, registry, byPlan } = await startPlanned({
        providers: [...GRAPH, worker<Built>([Repo, 'SESSION', Connection], found)],
      });
      const report = await registry.run('Worker.run');

      expect(report).toMatchObject({ value: [true, true, true], built: 5 });
      expect(byPlan()).toBe(1);
    });

    it('[K3] has a constructor resolve what the plan has not built yet', async () => {
      @RequestScoped()
      class Eager extends Probe {
        readonly later: Promise<Repo>;

        constructor(@InjectTick() { scope }: Tick) {
          super();
          this.later = scope.resolve(Repo);
        }
      }
      const same = async (_: Tick, eager: Eager, repo: Repo) => (await eager.later) === repo;
      const { registry } = await startPlanned({
        providers: [...GRAPH, Eager, worker<[Eager, Repo]>([Eager, Repo], same)],
      });
      await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
      expect(journal.of('built').filter((name) => name === 'Repo')).toHaveLength(1);
    });

    it('[A3, K3] runs each tick in its own context, whose id is from ContextIdFactory', async () => {
      const create = jest.spyOn(ContextIdFactory, 'create');
      const { registry, byPlan } = await startPlanned({
        providers: [...GRAPH, worker([Repo], ({ scope }) => scope.contextId)],
      });
      const ids = [await registry.run('Worker.run'), await registry.run('Worker.run')].map(
        ({ value }) => value,
      );
      const made = create.mock.results.map(({ value }) => value as unknown);
      create.mockRestore();

      expect(byPlan()).toBe(2);
      expect(ids[0]).not.toBe(ids[1]);
      expect(made).toEqual(expect.arrayContaining(ids));
    });

    it('[A8, K3] disposes what it has built when a constructor throws', async () => {
      let failure: Error | undefined;
      @RequestScoped()
      class Last extends Probe {
        constructor(readonly repo: Repo) {
          super();
          if (failure !== undefined) throw failure;
        }
      }
      const { registry, byPlan } = await startPlanned({
        providers: [...GRAPH, Last, worker([Last])],
      });
      failure = new Error('no disk');
      const report = await registry.run('Worker.run');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'resolve' });
      expect(report.error).toBe(failure);
      expect(byPlan()).toBe(1);
      expect(journal.of('disposed')).toEqual(['Repo', 'Connection', 'Log']);
    });

    it('[B22, K3] disposes the result of a factory that settles after another one has failed', async () => {
      const slow = gate();
      let fails = false;
      const factories: Provider[] = [
        {
          provide: 'SLOW',
          scope: Scope.REQUEST,
          useFactory: async () => {
            if (fails) await slow.opened;
            return probe('Slow');
          },
        },
        {
          provide: 'FAILING',
          scope: Scope.REQUEST,
          useFactory: async () => {
            await turn();
            if (fails) setImmediate(slow.open);
            if (fails) throw new Error('no network');
            return probe('Failing');
          },
        },
      ];
      const { registry, byPlan } = await startPlanned({
        providers: [...factories, worker(['SLOW', 'FAILING'])],
      });
      fails = true;
      await expect(registry.run('Worker.run')).resolves.toMatchObject({ outcome: 'failed' });

      expect(byPlan()).toBe(1);
      expect(journal.lines).toEqual(['built Slow', 'disposed Slow']);
    });

    it('[K3] is discarded when a module is loaded lazily', async () => {
      const { app, registry, byPlan } = await startPlanned({
        providers: [...GRAPH, worker([Repo])],
      });
      class LazyModule {}
      common.Module({ providers: [Connection] })(LazyModule);
      await app.get(LazyModuleLoader, { strict: false }).load(() => LazyModule);
      for (let tick = 0; tick < FIRST_TICKS; tick += 1) await registry.run('Worker.run');

      expect(byPlan()).toBe(0);
      await registry.run('Worker.run');
      expect(byPlan()).toBe(1);
    });

    it('[K3] builds the first provider that a standalone scope resolves', async () => {
      const { scopes, byPlan } = await startPlanned({ providers: [...GRAPH, worker([Repo])] });
      const resolve = (scope: ProviderScope): Promise<Repo> => scope.resolve(Repo);
      for (let scope = 0; scope < FIRST_TICKS; scope += 1) await scopes.run(resolve);
      const repo = await scopes.run(resolve, { request: 'the request' });

      expect(byPlan()).toBe(1);
      expect(repo.connection.request).toBe('the request');
    });

    it('[K3] does not end the process if code ignores a thenable that it builds, and that fails', async () => {
      let fails = false;
      @RequestScoped()
      class Query {
        // oxlint-disable-next-line unicorn/no-thenable -- such as a query builder
        then(resolve: (value: number) => void, reject: (error: Error) => void): void {
          if (fails) reject(new Error('no connection'));
          else resolve(1);
        }
      }
      const { scopes } = await startApp({ providers: [Query] });
      for (let scope = 0; scope <= FIRST_TICKS; scope += 1)
        await scopes.run((opened) => opened.resolve(Query));
      fails = true;
      const unhandled: unknown[] = [];
      const note = (error: unknown): void => void unhandled.push(error);
      process.on('unhandledRejection', note);
      try {
        await scopes.run(async (opened) => {
          void opened.resolve(Query);
          await turn();
        });
        await turn();
      } finally {
        process.off('unhandledRejection', note);
      }
      expect(unhandled).toEqual([]);
    });

    it('[K3] is not lost because two providers are resolved at the same time at first', async () => {
      const { app, scopes } = await startApp({ providers: [...GRAPH, worker([Repo])] });
      const byPlan = countPlans({ app });
      const both = (scope: ProviderScope) =>
        Promise.all([scope.resolve(Repo), scope.resolve('SESSION')]);
      for (let scope = 0; scope < FIRST_TICKS; scope += 1) await scopes.run(both);
      for (let scope = 0; scope < FIRST_TICKS; scope += 1)
        await scopes.run((opened) => opened.resolve(Repo));
      const [repo, session] = await scopes.run(both);

      expect(byPlan()).toBe(1);
      expect(session).toHaveProperty('connection', repo.connection);
    });

    it.each([
      ['the module', { resolution: 'nest' }, {}],
      ['its handler', {}, { resolution: 'nest' }],
      ['leak detection, which follows what Nest builds', { leakDetection: {} }, {}],
    ] as const)('[K6] is turned off by %s', async (_, options, handler) => {
      const { app, registry, byPlan } = await startPlanned({
        options,
        providers: [...GRAPH, worker([Repo], undefined, handler)],
      });
      for (let tick = 0; tick < 3; tick += 1) await registry.run('Worker.run');

      expect(byPlan()).toBe(0);
      const [inspected] = inspectScopes(app).workers;
      expect(inspected).toHaveProperty(
        'noPlan',
        'leakDetection' in options ? 'leak detection is on' : "resolution: 'nest' is set",
      );
    });

    it('[K6] is turned on by a handler', async () => {
      const { app, registry, byPlan } = await startPlanned({
        options: { resolution: 'nest' },
        providers: [...GRAPH, worker([Repo], undefined, { resolution: 'compiled' })],
      });
      await registry.run('Worker.run');

      expect(byPlan()).toBe(1);
      expect(inspectScopes(app).workers[0]).not.toHaveProperty('noPlan');
    });

    // Nest 11.0 has no decorator.
    (DECORATES ? describe : describe.skip)('in an application with an instanceDecorator', () => {
      it('[K4] has it decorate what the plan builds', async () => {
        const decorated: unknown[] = [];
        const { registry, byPlan } = await startPlanned({
          instanceDecorator: (instance) => {
            decorated.push(instance);
            return new Proxy(instance as object, {});
          },
          providers: [...GRAPH, worker([Repo])],
        });
        decorated.length = 0;
        await expect(registry.run('Worker.run')).resolves.toMatchObject({ built: 4 });

        expect(byPlan()).toBe(1);
        expect(decorated.filter((each) => each instanceof Probe)).toHaveLength(3);
        expect(journal.of('disposed')).toEqual(['Repo', 'Connection', 'Log']);
      });
    });
  });

  describe('does not exist for', () => {
    @RequestScoped()
    class Scoped {}

    @RequestScoped()
    class Prepared {
      onScopeInit(): void {}
    }

    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Tenant {}

    @RequestScoped()
    class Egg {
      constructor(@Inject(forwardRef(() => Hen)) readonly hen: unknown) {}
    }

    @RequestScoped()
    class Hen {
      constructor(@Inject(forwardRef(() => Egg)) readonly egg: unknown) {}
    }

    @RequestScoped()
    class Guard {
      canActivate(): boolean {
        return true;
      }
    }

    @ScopedWorker()
    @UseGuards(Guard)
    class Worker {
      constructor(readonly scoped: Scoped) {}

      @OnDemand()
      run(): void {}
    }

    it.each([
      ['onScopeInit', [Prepared, worker([Prepared])], 'Prepared has onScopeInit()'],
      ['durable', [Tenant, worker([Tenant])], 'Tenant is durable'],
      [
        'circular',
        [Egg, Hen, worker([Hen])], // Nest 11.0 builds the worker without waiting for the circle.
        /^(Egg|Hen) is injected with forwardRef\(\)$|can't predict what Nest injects into Worker$/,
      ],
      [
        'guarded',
        [Scoped, Guard, Worker],
        'it has a request-scoped guard, interceptor, pipe or filter',
      ],
    ] as [string, Provider[], string | RegExp][])(
      '[K5] a worker that is %s: the inspector says why',
      async (_, providers, noPlan) => {
        const { app, registry, byPlan } = await startPlanned({ providers });
        await expect(registry.run('Worker.run')).resolves.toMatchObject({ outcome: 'succeeded' });

        expect(byPlan()).toBe(0);
        expect(inspectScopes(app).workers[0]!.noPlan).toMatch(noPlan);
      },
    );

    it('[K5] a worker with a durable dependency, if a strategy keeps it for all ticks, before and after the first ticks', async () => {
      const context = ContextIdFactory.create();
      ContextIdFactory.apply({
        attach: (contextId) => (info) => (info.isTreeDurable === true ? context : contextId),
      });
      try {
        const { app, registry } = await startApp({ providers: [Tenant, worker([Tenant])] });
        const reasons: unknown[] = [];
        for (let tick = 0; tick <= FIRST_TICKS; tick += 1) {
          reasons.push(inspectScopes(app).workers[0]!.noPlan);
          await registry.run('Worker.run');
        }
        expect(reasons).toEqual(Array(FIRST_TICKS + 1).fill('Tenant is durable'));
      } finally {
        Object.assign(ContextIdFactory, { strategy: undefined });
      }
    });

    it('[K5] a worker whose factory returns an object with onScopeInit, as the inspector says after two ticks', async () => {
      const initialized: unknown[] = [];
      const made = {
        provide: 'MADE',
        scope: Scope.REQUEST,
        useFactory: () => ({ onScopeInit: () => void initialized.push('MADE') }),
      };
      const { app, registry, byPlan } = await startPlanned({ providers: [made, worker(['MADE'])] });
      await registry.run('Worker.run');

      expect({ byPlan: byPlan(), initialized }).toEqual({
        byPlan: 0,
        initialized: ['MADE', 'MADE', 'MADE'],
      });
      expect(inspectScopes(app).workers[0]).toHaveProperty('noPlan', 'MADE has onScopeInit()');
    });

    it('[K5] a worker with a provider whose constructor resolves another one', async () => {
      @RequestScoped()
      class Eager {
        readonly scoped: Promise<Scoped>;

        constructor(@Inject(REQUEST) { scope }: Tick) {
          this.scoped = scope.resolve(Scoped);
        }
      }
      const run = async (_: Tick, { scoped }: Eager): Promise<unknown> => scoped;
      const { app, byPlan, registry } = await startPlanned({
        providers: [Scoped, Eager, worker<[Eager]>([Eager], run)],
      });
      await registry.run('Worker.run');

      expect(byPlan()).toBe(0);
      expect(inspectScopes(app).workers[0]!.noPlan).toEqual(expect.any(String));
    });

    it('[K5] a worker that builds something else by itself', async () => {
      const { app } = await startPlanned({
        providers: [
          Scoped,
          {
            provide: 'ALONE',
            scope: Scope.REQUEST,
            inject: [REQUEST],
            useFactory: async ({ scope }: Tick) => void (await scope.resolve(Scoped)),
          },
          worker(['ALONE']),
        ],
      });
      expect(inspectScopes(app).workers[0]).toHaveProperty(
        'noPlan',
        "Nest builds Scoped as well, but doesn't inject it",
      );
    });
  });

  it('[A18, K3] prepares an instance that has onScopeInit for once', async () => {
    let initialized: unknown;
    let hasHook = false;
    const made = {
      provide: 'MADE',
      scope: Scope.REQUEST,
      useFactory: () => (hasHook ? { onScopeInit: async () => (initialized = await turn()) } : {}),
    };
    const dependent = {
      provide: 'DEPENDENT',
      inject: ['MADE'],
      useFactory: () => initialized === undefined && hasHook,
    };
    const isEarly = (_: Tick, early: boolean): boolean => early;
    const { registry, byPlan } = await startPlanned({
      providers: [made, dependent, worker(['DEPENDENT'], isEarly)],
    });
    initialized = undefined;
    hasHook = true;
    const { value } = await registry.run('Worker.run');

    expect({ value, byPlan: byPlan() }).toEqual({ value: true, byPlan: 1 });
  });
});
