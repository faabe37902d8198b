import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Scope, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { DECORATES, plainProxy } from '../support/decorators.js';
import { OnDemand, probes, RequestScoped, worker } from '../support/probes.js';

const orders = new Set<string>();

/** What users see must not depend on who builds the worker: Nest does in the first two ticks, and a plan from then on. */
describe.each(['nest', 'compiled'] as const)('With the resolution %s', (resolution) => {
  const { journal, Probe } = probes();
  beforeEach(() => void (journal.lines.length = 0));
  afterEach(closeApps);

  it('[K3] a factory can resolve what is injected into a property of its dependent', async () => {
    @RequestScoped()
    class Settings extends Probe {}

    const session: Provider = {
      provide: 'SESSION',
      inject: [REQUEST],
      useFactory: async ({ scope }: Tick) => {
        return { settings: await scope.resolve(Settings) };
      },
    };

    @ScopedWorker()
    class Worker {
      @Inject(Settings) readonly settings!: Settings;

      constructor(@Inject('SESSION') readonly session: { settings?: Settings }) {}

      @OnDemand()
      run(): boolean {
        return this.session.settings === this.settings;
      }
    }
    const { registry } = await startApp({
      options: { resolution },
      providers: [Settings, session, Worker],
    });
    const values: unknown[] = [];
    for (let tick = 1; tick <= 4; tick += 1) values.push((await registry.run('Worker.run')).value);
    expect(values).toEqual([true, true, true, true]);
  });

  it('[K3] a request is injected into a property, although the first scopes had none', async () => {
    @RequestScoped()
    class Audit {
      @Inject(REQUEST) readonly request!: unknown;
    }
    const { scopes } = await startApp({ options: { resolution }, providers: [Audit] });
    const seen: unknown[] = [];
    for (const request of [undefined, undefined, 'ann'])
      seen.push(
        await scopes.run(async (scope) => (await scope.resolve(Audit)).request, { request }),
      );
    expect(seen).toEqual([undefined, undefined, 'ann']);
  });

  it('[K3] nothing is injected into the properties of a function that a constructor returns', async () => {
    @RequestScoped()
    class Settings {}
    @RequestScoped()
    class Callable {
      @Inject(Settings) readonly settings?: Settings;

      constructor() {
        return (() => undefined) as unknown as Callable;
      }
    }
    const { registry } = await startApp({
      options: { resolution },
      providers: [
        Settings,
        Callable,
        worker<[Callable]>([Callable], (_, { settings }) => settings !== undefined),
      ],
    });
    const values: unknown[] = [];
    for (let tick = 1; tick <= 4; tick += 1) values.push((await registry.run('Worker.run')).value);
    expect(values).toEqual([false, false, false, false]);
  });

  it('[K3] ticks run if the application has replaced the global Promise, as zone.js does', async () => {
    const Native = globalThis.Promise;
    const { registry } = await startApp({
      options: { resolution },
      providers: [worker([], () => 'ran')],
    });
    const results: unknown[] = [];
    try {
      globalThis.Promise = class Other<T> extends Native<T> {} as PromiseConstructor;
      for (let tick = 1; tick <= 3; tick += 1) {
        const { value, error } = await registry.run('Worker.run');
        results.push(value ?? error);
      }
    } finally {
      globalThis.Promise = Native;
    }
    expect(results).toEqual(['ran', 'ran', 'ran']);
  });

  it('[K3] what a factory enters into AsyncLocalStorage does not reach the code that resolves', async () => {
    const store = new AsyncLocalStorage<string>();
    const entering: Provider = {
      provide: 'ENTERING',
      scope: Scope.REQUEST,
      useFactory: () => {
        store.enterWith('of the scope');
        return {};
      },
    };
    const { scopes } = await startApp({ options: { resolution }, providers: [entering] });
    const seen: unknown[] = [];
    for (let scope = 1; scope <= 4; scope += 1) {
      await scopes.run(async (opened) => void (await opened.resolve('ENTERING')));
      seen.push(store.getStore());
    }
    expect(seen).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('[K3] a tick that is cancelled right after registry.run() calls no handler', async () => {
    const { registry } = await startApp({
      options: { resolution },
      providers: [worker([], () => journal.note('called'))],
    });
    const outcomes: string[] = [];
    for (let tick = 1; tick <= 4; tick += 1) {
      await registry.run('Worker.run');
      journal.lines.length = 0;
      const running = registry.run('Worker.run');
      registry.cancel('Worker.run');
      outcomes.push((await running).outcome, ...journal.lines);
    }
    expect(outcomes).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
  });

  it('[K3] a cleanup that is deferred right after scope.resolve() runs after the disposer of the instance', async () => {
    @RequestScoped()
    class Repo extends Probe {}
    const { scopes } = await startApp({ options: { resolution }, providers: [Repo] });
    const orders: string[] = [];
    for (let at = 1; at <= 4; at += 1) {
      journal.lines.length = 0;
      await scopes.run(async (scope) => {
        const repo = scope.resolve(Repo);
        scope.defer(() => journal.note('deferred'));
        await repo;
      });
      orders.push(journal.lines.slice(1).join());
    }
    expect(new Set(orders)).toEqual(new Set(['disposed Repo,deferred']));
  });

  it('[K3] the order of construction is that of Nest, even if the first two ticks overlap', async () => {
    class Static {}
    @RequestScoped()
    class First extends Probe {
      constructor(@Inject(Static) readonly it: Static) {
        super();
      }
    }
    const second: Provider = {
      provide: 'SECOND',
      scope: Scope.REQUEST,
      inject: [REQUEST],
      useFactory: () => journal.note('built Second'),
    };
    const { registry } = await startApp({
      options: { resolution },
      providers: [Static, First, second, worker([Static, First, 'SECOND', Static])],
    });
    await Promise.all([registry.run('Worker.run'), registry.run('Worker.run')]);
    journal.lines.length = 0;
    await registry.run('Worker.run');
    const order = journal.of('built').join();
    orders.add(order);
    expect([...orders]).toEqual([order]);
  });
});

describe('The tick', () => {
  afterEach(closeApps);

  it('is copied with its signal', async () => {
    const { registry } = await startApp({
      providers: [worker([], (tick) => ({ ...tick }).signal instanceof AbortSignal)],
    });
    await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
  });

  it('has its signal behind a Proxy', async () => {
    const { registry } = await startApp({
      providers: [worker([], (tick) => new Proxy(tick, {}).signal instanceof AbortSignal)],
    });
    await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
  });

  // Nest 11.0 has no decorator.
  (DECORATES ? describe : describe.skip)('in an application with an instanceDecorator', () => {
    it('[K4] has its signal if a factory hands it on', async () => {
      const { registry } = await startApp({
        instanceDecorator: plainProxy,
        providers: [
          { provide: 'TICK', inject: [REQUEST], useFactory: (tick: Tick) => tick },
          worker<[Tick]>(['TICK'], (_, tick) => tick.signal instanceof AbortSignal),
        ],
      });
      await expect(registry.run('Worker.run')).resolves.toMatchObject({ value: true });
    });
  });
});
