import { describe, expect, it } from '@jest/globals';
import { Global, Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import {
  ProviderScopeFactory,
  ScopeClosedError,
  type ProviderScope,
  type ScopedWorkerEventMap,
} from '../../lib/index.js';
import { appsOnFakeClock, compileApp, startApp, type TestApp } from '../support/app.js';
import { background, begin } from '../support/background.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped } from '../support/probes.js';
import { closing, runningTick, turns } from '../support/running-tick.js';

appsOnFakeClock();

@RequestScoped()
class Unit {}

const HOOKS = ['onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown'] as const;

/** A consumer of another library: it works in each shutdown hook, and notes what came of that. */
function foreignConsumer(): { readonly Foreign: Type; readonly lines: string[] } {
  const lines: string[] = [];
  @Injectable()
  class Foreign {
    constructor(readonly scopes: ProviderScopeFactory) {}

    async handle(hook: string): Promise<void> {
      const work = async (scope: ProviderScope): Promise<void> => void (await scope.resolve(Unit));
      const opened = async (): Promise<void> => {
        await using scope = await this.scopes.open();
        await work(scope);
        await scope.complete();
      };
      for (const way of [() => this.scopes.run(work), opened]) {
        await way().then(
          () => lines.push(hook),
          (error: unknown) => lines.push(String(error)),
        );
      }
    }
  }
  for (const hook of HOOKS) {
    Object.defineProperty(Foreign.prototype, hook, {
      value(this: Foreign) {
        return this.handle(hook);
      },
    });
  }
  return { Foreign, lines };
}

function moduleWith(provider: Type, isGlobal: boolean, imports: Type[] = []): Type {
  class AnyModule {}
  Module({ providers: [provider, Unit], exports: [provider], imports })(AnyModule);
  if (isGlobal) Global()(AnyModule);
  return AnyModule;
}

function nested(inner: Type, levels: number): Type {
  if (levels === 0) return inner;
  class Outer {}
  Module({ imports: [inner] })(Outer);
  return nested(Outer, levels - 1);
}

describe('A standalone scope during the shutdown', () => {
  it.each<[string, (Foreign: Type) => { imports?: (Type | DynamicModule)[]; providers?: Type[] }]>([
    ['the root module', (Foreign) => ({ providers: [Foreign, Unit] })],
    ['an imported module', (Foreign) => ({ imports: [moduleWith(Foreign, false)] })],
    [
      'a module five levels deep',
      (Foreign) => ({ imports: [nested(moduleWith(Foreign, false), 5)] }),
    ],
    ['a global module', (Foreign) => ({ imports: [moduleWith(Foreign, true)] })],
    [
      'a global module deep in others',
      (Foreign) => ({ imports: [nested(moduleWith(Foreign, true), 3)] }),
    ],
  ])('[L1] opens and builds in every shutdown hook, from %s', async (_, place) => {
    const { Foreign, lines } = foreignConsumer();
    const { app, scopes } = await startApp(place(Foreign));
    await app.close();
    expect(lines).toEqual(HOOKS.flatMap((hook) => [hook, hook]));
    await expect(scopes.open()).rejects.toThrow(
      'Cannot open a scope: the last shutdown hook of the application has run. In a shutdown hook, stop the code that opens scopes, and await its work.',
    );
    await expect(scopes.run(() => undefined)).rejects.toThrow(ScopeClosedError);
  });

  it('[L1] opens in every hook also of an application that was not initialized', async () => {
    const { Foreign, lines } = foreignConsumer();
    const { app } = await compileApp({ providers: [Foreign, Unit] });
    await app.close();
    expect(lines).toEqual(HOOKS.flatMap((hook) => [hook, hook]));
  });

  it('[L1][B21] opens and builds while an aborted tick is drained, whose own scope builds nothing', async () => {
    const held = gate();
    const test = await runningTick(() => held.opened, {}, [Unit]);
    const open = await test.scopes.open();
    const close = closing(test);
    await turns();
    expect(test.tick.signal.aborted).toBe(true);
    await expect(test.tick.scope.resolve(Unit)).rejects.toThrow(
      'Cannot resolve Unit: the application is shutting down.',
    );
    expect(await open.resolve(Unit)).toBeInstanceOf(Unit);
    expect(await test.scopes.run((scope) => scope.resolve(Unit))).toBeInstanceOf(Unit);
    await open.complete();
    held.open();
    await close.promise;
  });

  describe('when the drain waits', () => {
    it('[D5] work in run() that had begun is waited for, and what that runs, and may build all the while', async () => {
      const [outer, inner] = [gate(), gate()];
      const test = await startApp({ providers: [Unit] });
      let stray: Promise<unknown> | undefined;
      const work = test.scopes.run(async (scope) => {
        await outer.opened;
        stray = test.scopes.run(() => inner.opened);
        return scope.resolve(Unit);
      });
      const close = closing(test);
      await turns();
      outer.open();
      expect(await work).toBeInstanceOf(Unit);
      await turns();
      expect(close.done).toBe(false);
      inner.open();
      await close.promise;
      await stray;
    });

    it('[D5] what a background worker runs during the drain is waited for', async () => {
      const [begun, held] = [gate(), gate()];
      const Loop = background('Loop', (stopping) => {
        stopping.addEventListener('abort', () => {
          void test.scopes.run(() => (begun.open(), held.opened));
        });
        return new Promise<void>((resolve) => stopping.addEventListener('abort', () => resolve()));
      });
      const test: TestApp = await startApp({ providers: [Loop] });
      await begin();
      const close = closing(test);
      await begun.opened;
      await turns();
      expect(close.done).toBe(false);
      held.open();
      await close.promise;
    });

    it('[L1] work that others begin meanwhile does not prolong it: they end it in a hook of theirs', async () => {
      const held = gate();
      const seen: number[] = [];
      const works: { end: () => void; ended: Promise<unknown> }[] = [];
      @Injectable()
      class Foreign {
        async onApplicationShutdown(): Promise<void> {
          seen.push(test.registry.stats().openScopes);
          for (const { end, ended } of works) {
            end();
            await ended;
          }
        }
      }
      const test = await runningTick(() => held.opened, {}, [Foreign]);
      const finished = test.next('shutdown:finished');
      const close = closing(test);
      await turns();
      const work = gate();
      works.push({ end: work.open, ended: test.scopes.run(() => work.opened) });
      held.open();
      expect(await finished).toMatchObject({ abandoned: [], leftOpen: [] });
      await close.promise;
      expect(seen).toEqual([1]);
      expect(performance.now()).toBe(0);
    });
  });

  describe('when the last hook has run', () => {
    type Hook = (test: () => TestApp) => void;
    /** An application whose last hook but the library's own does `work`. */
    async function closedAfter(work: Hook, options = {}) {
      let isDone = false; // `closeApps` closes it once more
      @Injectable()
      class Last {
        onApplicationShutdown(): void {
          if (!isDone) work(() => test);
          isDone = true;
        }
      }
      const { Probe } = probes();
      @RequestScoped()
      class Connection extends Probe {}
      const test: TestApp = await startApp({ options, providers: [Last, Connection] });
      const ends: ScopedWorkerEventMap['shutdown:closed'][] = [];
      test.events.on('shutdown:closed', (end) => ends.push(end));
      const close = closing(test);
      await turns();
      return { test, ends, close, Connection };
    }

    it('[L1] a scope from open() is rolled back, disposed and named', async () => {
      const lines: string[] = [];
      let scope!: ProviderScope;
      const { test, ends, close } = await closedAfter((app) => {
        void app()
          .scopes.open()
          .then((opened) => {
            scope = opened;
            opened.defer(() => lines.push('disposed'));
          });
      });
      await close.promise;
      const name = `ProviderScopeFactory.open() (${scope.id})`;
      expect([lines, scope.closed]).toEqual([['disposed'], true]);
      expect(ends).toMatchObject([{ abandoned: [], leftOpen: [name] }]);
      expect(test.log.of('warn')).toEqual([expect.stringContaining(name)]);
    });

    it('[L1] work in run() is waited for, and may build; nothing opens meanwhile', async () => {
      const held = gate();
      let work!: Promise<unknown>;
      const { test, ends, close } = await closedAfter((app) => {
        const { scopes } = app();
        work = scopes.run(async (scope) => {
          await held.opened;
          return [await scope.resolve('FACTS').catch(String), await scopes.open().catch(String)];
        });
      });
      expect(close.done).toBe(false);
      await expect(test.scopes.open()).rejects.toThrow(ScopeClosedError);
      held.open();
      await close.promise;
      expect(await work).toEqual([
        expect.stringContaining('could not find FACTS'),
        expect.stringContaining('Cannot open a scope'),
      ]);
      expect(ends).toMatchObject([{ abandoned: [], leftOpen: [] }]);
    });

    it('[L1][D7] such work has what is left of shutdownTimeoutMs, then it is named and builds nothing', async () => {
      const held = gate();
      let work!: Promise<unknown>;
      const { test, ends, close, Connection } = await closedAfter(
        (app) => {
          work = app().scopes.run(async (scope) => {
            await held.opened;
            return scope.resolve(Connection).catch(String);
          });
        },
        { shutdownTimeoutMs: 5_000 },
      );
      await advance(4_999);
      expect(close.done).toBe(false);
      await advance(1);
      await close.promise;
      const name = expect.stringMatching(/^ProviderScopeFactory\.run\(\) \(scope-.+\)$/);
      expect(ends).toEqual([{ waitedMs: 5_000, abandoned: [name], leftOpen: [] }]);
      expect(test.log.of('error')).toHaveLength(1);
      held.open();
      expect(await work).toContain('Cannot resolve Connection: the last shutdown hook');
    });

    it('[D6] work that the drain has abandoned is not waited for and named again', async () => {
      const held = gate();
      const test = await startApp({ options: { shutdownTimeoutMs: 5_000 } });
      const work = test.scopes.run(() => held.opened);
      const ends: unknown[] = [];
      for (const event of ['shutdown:finished', 'shutdown:closed'] as const)
        test.events.on(event, ({ abandoned }) => ends.push([event, abandoned.length]));
      const close = closing(test);
      await advance(5_000);
      await close.promise;
      expect(ends).toEqual([
        ['shutdown:finished', 1],
        ['shutdown:closed', 0],
      ]);
      held.open();
      await work;
    });

    it('[D15] that is reported once, however often the application is closed', async () => {
      const { ends, close, test } = await closedAfter(() => undefined);
      await close.promise;
      await test.app.close();
      expect(ends).toEqual([{ waitedMs: 0, abandoned: [], leftOpen: [] }]);
    });
  });
});
