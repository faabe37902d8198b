import { afterEach, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable, Scope } from '@nestjs/common';
import { ScopedInterval, ScopedWorker, type Tick, type AroundHook } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { aroundApp } from '../support/around.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { gate, turn } from '../support/gate.js';

interface Store {
  readonly tickId: string;
}

const store = new AsyncLocalStorage<Store>();
const seen: Record<string, string | undefined> = {};
const see = (where: string): void => void (seen[where] = store.getStore()?.tickId);

@Injectable({ scope: Scope.REQUEST })
class Repository {
  constructor() {
    see('constructor');
  }

  async onScopeInit(): Promise<void> {
    await turn();
    see('onScopeInit');
  }

  async onScopeCommit(): Promise<void> {
    await turn();
    see('onScopeCommit');
  }

  async onScopeRollback(): Promise<void> {
    await turn();
    see('onScopeRollback');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    see('disposer');
    await turn();
    see('disposer, after a wait');
  }
}

const inStore: AroundHook = ({ id }, next) => store.run({ tickId: id }, next);
const inStoreLater: AroundHook = async ({ id }, next) => {
  await turn();
  return store.run({ tickId: id }, async () => {
    await turn();
    return next();
  });
};

afterEach(async () => {
  for (const key of Object.keys(seen)) delete seen[key];
  await closeApps();
});

/** What a tick does at its stages. */
async function work({ scope, payload }: Tick): Promise<void> {
  see('handler');
  scope.defer(() => see('defer'));
  scope.waitFor(turn().then(() => see('waitFor')));
  await turn();
  see('handler, after a wait');
  await new Promise((resolve) => setTimeout(resolve, 0));
  see('handler, after a timer');
  if (payload === 'fail') throw new Error('fail');
}

describe('AsyncLocalStorage and around', () => {
  it.each<[string, AroundHook]>([
    ['als.run(store, next)', inStore],
    ['als.run() after a wait, and next() after another', inStoreLater],
  ])('[A17] %s is seen by all that happens in the tick', async (_, hook) => {
    const options = {
      onOpen: async (): Promise<void> => {
        see('onOpen');
        await turn();
        see('onOpen, after a wait');
      },
    };
    const { registry } = await aroundApp(
      { around: [hook], options, needs: [Repository], providers: [Repository] },
      work,
    );
    const { tickId } = await registry.run('Worker.run');
    const stages = [
      'onOpen',
      'onOpen, after a wait',
      'constructor',
      'onScopeInit',
      'handler',
      'waitFor',
      'handler, after a wait',
      'handler, after a timer',
      'onScopeCommit',
      'defer',
      'disposer',
      'disposer, after a wait',
    ];
    expect(seen).toEqual(Object.fromEntries(stages.map((stage) => [stage, tickId])));
    const failed = await registry.run('Worker.run', { payload: 'fail' });
    expect([seen['onScopeRollback'], seen['disposer']]).toEqual([failed.tickId, failed.tickId]);
    expect(store.getStore()).toBeUndefined();
  });

  it('[A19] each of many ticks at once sees its own store', async () => {
    const { registry } = await aroundApp({ around: [inStore] }, async ({ id }) => {
      await turn();
      return store.getStore()?.tickId === id;
    });
    const reports = await Promise.all(Array.from({ length: 20 }, () => registry.run('Worker.run')));
    expect(reports.map(({ value }) => value)).toEqual(Array.from(reports, () => true));
  });

  it('[A16] [A19] each attempt has its own store', async () => {
    const stores = new AsyncLocalStorage<{ attempt: number }>();
    const { registry } = await aroundApp(
      {
        around: [({ attempt }, next) => stores.run({ attempt }, next)],
        handler: { retry: { attempts: 3 } },
      },
      async ({ attempt }) => {
        await turn();
        if (attempt < 3) throw new Error('busy');
        return stores.getStore()?.attempt;
      },
    );
    expect((await registry.run('Worker.run')).value).toBe(3);
  });

  it('[A19] what a hook enters with enterWith is seen by its tick, not by the next nor by the caller', async () => {
    const before: unknown[] = [];
    const { registry } = await aroundApp(
      {
        around: [
          ({ id }, next) => {
            before.push(store.getStore());
            store.enterWith({ tickId: id });
            return next();
          },
        ],
      },
      async () => {
        await turn();
        return store.getStore()?.tickId;
      },
    );
    for (let run = 0; run < 2; run += 1) {
      const { value, tickId } = await registry.run('Worker.run');
      expect(value).toBe(tickId);
      expect(store.getStore()).toBeUndefined();
    }
    expect(before).toEqual([undefined, undefined]);
  });

  it('[A17] what onOpen enters inside a hook is seen by the handler and the disposers', async () => {
    const { registry } = await aroundApp(
      {
        around: [(_tick, next) => new AsyncLocalStorage<number>().run(1, next)],
        options: { onOpen: ({ id }) => store.enterWith({ tickId: id }) },
        needs: [Repository],
        providers: [Repository],
      },
      work,
    );
    const { tickId } = await registry.run('Worker.run');
    expect([seen['handler'], seen['disposer, after a wait']]).toEqual([tickId, tickId]);
  });

  it('[A20] a hook of a standalone tick sees the store of the caller, one of a timer sees none', async () => {
    const inHook: unknown[] = [];
    const ran = gate();
    @ScopedWorker()
    class Timer {
      @ScopedInterval(5, { overlap: 'skip' })
      run({ trigger }: Tick): void {
        if (trigger === 'interval') ran.open();
      }
    }
    const { registry } = await store.run({ tickId: 'of the start' }, () =>
      startApp({
        providers: [Timer],
        options: {
          around: [
            ({ trigger }, next) => {
              inHook.push([trigger, store.getStore()?.tickId]);
              return next();
            },
          ],
        },
      }),
    );
    await store.run({ tickId: 'of the caller' }, () => registry.run('Timer.run'));
    await ran.opened;
    expect(inHook.slice(0, 2)).toEqual(
      expect.arrayContaining([
        ['manual', 'of the caller'],
        ['interval', undefined],
      ]),
    );
  });

  it('[J6] a timer that a hook leaves behind does not keep the scope', async () => {
    const scopes: WeakRef<object>[] = [];
    const timers: NodeJS.Timeout[] = [];
    const { registry } = await aroundApp({
      around: [
        ({ scope }, next) => {
          scopes.push(new WeakRef(scope));
          timers.push(setTimeout(() => undefined, 60_000));
          return next();
        },
        async (_tick, next) => {
          await next();
          timers.push(setTimeout(() => undefined, 60_000));
        },
      ],
    });
    for (let run = 0; run < 5; run += 1) await registry.run('Worker.run');
    await collectGarbage();
    expect(scopes.filter((scope) => scope.deref() !== undefined)).toEqual([]);
    timers.forEach((timer) => clearTimeout(timer));
  });
});
