import { afterEach, describe, expect, it } from '@jest/globals';
import { forwardRef, Inject, Injectable, Scope } from '@nestjs/common';
import { ModuleRef, REQUEST } from '@nestjs/core';
import { ScopedInterval, ScopedWorker, type Tick } from '../../lib/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { quietFor, turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';

const request = { scope: Scope.REQUEST };

describe('Odd combinations', () => {
  afterEach(closeApps);

  it('a circle of three, in five ticks at once: each tick has its own, disposed once', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class A extends Probe {
      @Inject(forwardRef(() => B)) b!: unknown;
    }
    @RequestScoped()
    class B extends Probe {
      @Inject(forwardRef(() => C)) c!: unknown;
    }
    @RequestScoped()
    class C extends Probe {
      constructor(@Inject(forwardRef(() => A)) readonly a: object) {
        super();
      }
    }
    const isClosed = (_tick: Tick, a: A, b: B, c: C): boolean =>
      a.b === b && b.c === c && c.a === a;
    const { registry } = await startApp({ providers: [A, B, C, worker([A, B, C], isClosed)] });

    const runs = Array.from({ length: 5 }, () => registry.run('Worker.run'));

    const report = { outcome: 'succeeded', value: true, disposed: 3 };
    expect(await Promise.all(runs)).toMatchObject(Array.from(runs, () => report));
    expect(journal.of('disposed')).toHaveLength(15);
  });

  it('factories that resolve others by hand: disposed in the order of dependence', async () => {
    const { journal, probe } = probes();
    const byReference = async (modules: ModuleRef, tick: Tick): Promise<object> => {
      await modules.resolve('BASE', tick.scope.contextId, { strict: false });
      return probe('MIDDLE');
    };
    const byScope = async (tick: Tick): Promise<object> => {
      await tick.scope.resolve('MIDDLE');
      return probe('TOP');
    };
    const { registry } = await startApp({
      providers: [
        { provide: 'BASE', ...request, useFactory: () => probe('BASE') },
        { provide: 'MIDDLE', ...request, inject: [ModuleRef, REQUEST], useFactory: byReference },
        { provide: 'TOP', ...request, inject: [REQUEST], useFactory: byScope },
        worker(['TOP']),
      ],
    });

    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'succeeded' });
    expect(journal.of('disposed')).toEqual(['TOP', 'MIDDLE', 'BASE']);
  });

  it.each(['onOpen', 'factory', 'onScopeInit', 'onScopeCommit', 'dispose', 'defer', 'waitFor'])(
    'await app.close() in %s: neither hangs, nor leaves a scope',
    async (place) => {
      let close = async (): Promise<void> => undefined;
      const at = (here: string): Promise<void> | undefined =>
        here === place ? close() : undefined;
      @RequestScoped()
      class Hooks {
        onScopeInit = (): unknown => at('onScopeInit');
        onScopeCommit = (): unknown => at('onScopeCommit');
        [Symbol.asyncDispose] = async (): Promise<void> => at('dispose');
      }
      const { app, registry } = await startApp({
        options: { onOpen: () => at('onOpen') },
        providers: [
          Hooks,
          { provide: 'MADE', ...request, useFactory: async () => (await at('factory')) ?? {} },
          worker([Hooks, 'MADE'], ({ scope }: Tick) => {
            scope.defer(() => at('defer'));
            scope.waitFor(Promise.resolve(at('waitFor')));
          }),
        ],
      });
      close = () => app.close();

      await registry.run('Worker.run');

      expect(registry.stats()).toMatchObject({ openScopes: 0, runningTicks: 0 });
    },
  );

  it('app.close() twice while the application still bootstraps: no tick', async () => {
    let runs = 0;
    let close = async (): Promise<void> => undefined;
    let closing: Promise<unknown> | undefined;
    @Injectable()
    class Hasty {
      async onApplicationBootstrap(): Promise<void> {
        closing = Promise.all([close(), close()]);
        await turn();
      }
    }
    @ScopedWorker()
    class Busy {
      @ScopedInterval(5, { runOnStart: true })
      run(): void {
        runs += 1;
      }
    }
    const { app } = await compileApp({ providers: [Hasty, Busy] });
    close = () => app.close();

    await app.init();
    await closing;
    await quietFor(30);

    expect(runs).toBe(0);
  });

  it('schedules called __proto__ and constructor: found, changed and run', async () => {
    @ScopedWorker()
    class Odd {
      @ScopedInterval(1_000, { name: '__proto__' })
      first(): string {
        return 'first';
      }

      @ScopedInterval(1_000, { name: 'constructor' })
      second(): void {}
    }
    const overrides = JSON.parse('{"__proto__":{"everyMs":7000},"constructor":{"everyMs":8000}}');
    const { registry } = await startApp({ providers: [Odd], options: { overrides } });

    expect(registry.list().map(({ everyMs }) => everyMs)).toEqual([7_000, 8_000]);
    expect(await registry.run('__proto__')).toMatchObject({ value: 'first' });
  });
});
