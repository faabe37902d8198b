import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import { once, EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ScopedTimeout,
  ScopedWorker,
  type ProviderScope,
  type ProviderScopeFactory,
  type StrayFailure,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { runningTick, turns, untilAborted } from '../support/running-tick.js';
import { worker } from '../support/probes.js';

afterEach(closeApps);

/** What handlers end with when the signal that they pass on is aborted. */
const ABORTS: [string, (tick: Tick) => Promise<unknown>][] = [
  ['the reason of the signal', untilAborted],
  ['the AbortError of a Node API', ({ signal }) => delay(60_000, undefined, { signal })],
  ['the AbortError of an event wait', ({ signal }) => once(new EventEmitter(), 'x', { signal })],
  [
    'an AbortError of a library',
    (tick) =>
      untilAborted(tick).catch(() => Promise.reject(new DOMException('gone', 'AbortError'))),
  ],
  [
    'the CanceledError of axios',
    (tick) => untilAborted(tick).catch(() => Promise.reject(canceled({ name: 'CanceledError' }))),
  ],
  [
    'an error with the code ERR_CANCELED',
    (tick) => untilAborted(tick).catch(() => Promise.reject(canceled({ code: 'ERR_CANCELED' }))),
  ],
  [
    'signal.throwIfAborted()',
    async ({ signal }) => {
      while (!signal.aborted) await turn();
      signal.throwIfAborted();
    },
  ],
];

function waitTwice(tick: Tick, scope: ProviderScope): Promise<void> {
  scope.waitFor(untilAborted(tick));
  scope.waitFor(untilAborted(tick));
  return Promise.resolve();
}

const canceled = (fields: object): Error => Object.assign(new Error('canceled'), fields);

describe('abort by shutdown', () => {
  it.each(ABORTS)(
    '[D11] makes a tick cancelled, not failed, and logs no error: %s',
    async (_, handler) => {
      const { app, report, log } = await runningTick(handler);
      await app.close();
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(log.of('error')).toEqual([]);
    },
  );

  it.each(ABORTS)(
    '[D11] makes a tick cancelled whose works passed to waitFor stop by it: %s',
    async (_, work) => {
      const handler = (tick: Tick): void => {
        for (let count = 0; count < 3; count += 1) tick.scope.waitFor(work(tick));
      };
      const { app, report, log } = await runningTick(handler);
      await app.close();
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(log.of('error')).toEqual([]);
    },
  );

  it('[D11] makes a tick cancelled whose handler and works are refused a provider, and logs nothing', async () => {
    const late = { provide: 'LATE', scope: Scope.REQUEST, useFactory: () => ({}) };
    const ask = (tick: Tick): Promise<unknown> =>
      untilAborted(tick).catch(() => tick.scope.resolve('LATE'));
    const handler = (tick: Tick): Promise<unknown> => {
      tick.scope.waitFor(ask(tick));
      tick.scope.waitFor(ask(tick));
      return ask(tick);
    };
    const { app, report, log } = await runningTick(handler, {}, [late]);
    await app.close();
    expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
    expect(log.of('error')).toEqual([]);
  });

  it.each<[string, (tick: Tick, scopes: ProviderScopeFactory) => Promise<unknown>]>([
    ['of a standalone scope', (tick, scopes) => scopes.run((scope) => waitTwice(tick, scope))],
    ['in Promise.any()', (tick) => Promise.any([untilAborted(tick), untilAborted(tick)])],
  ])('[D11] makes a tick cancelled with several abort errors: %s', async (_, work) => {
    let factory: ProviderScopeFactory;
    const { app, scopes, report, log } = await runningTick(async (tick) => {
      await turn();
      return work(tick, factory);
    });
    factory = scopes;
    await turn();
    await app.close();
    expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
    expect(log.of('error')).toEqual([]);
  });

  it('[D11] makes a tick cancelled whose commit hook stops by it, with or without retries', async () => {
    for (const attempts of [1, 2]) {
      const committing = gate();
      const handler = (tick: Tick): void =>
        tick.scope.onCommit(() => {
          committing.open();
          return untilAborted(tick);
        });
      const providers = [worker([], handler, { retry: { attempts } })];
      const { registry, log } = await startApp({ providers });
      const report = registry.run('Worker.run');
      await committing.opened;
      registry.cancel('Worker.run');
      expect(await report).toMatchObject({
        outcome: 'cancelled',
        reason: 'cancel',
        phase: 'commit',
        attempts: 1,
      });
      expect(log.of('error')).toEqual([]);
    }
  });

  it("[D11] leaves a tick failed with the one error that doesn't come from the abort", async () => {
    const own = new TypeError('no rollback');
    const { app, report } = await runningTick((tick) => {
      tick.scope.waitFor(untilAborted(tick));
      tick.scope.waitFor(untilAborted(tick).catch(() => Promise.reject(own)));
    });
    await app.close();
    const { outcome, error } = await report;
    expect([outcome, error]).toEqual(['failed', own]);
  });

  it('[D32] by a timeout is reported with the error of the timeout, without a cause', async () => {
    const handler = (tick: Tick): void => {
      tick.scope.waitFor(untilAborted(tick));
      tick.scope.waitFor(untilAborted(tick));
    };
    const { registry } = await startApp({ providers: [worker([], handler, { timeoutMs: 1 })] });
    const { outcome, error } = await registry.run('Worker.run');
    expect([outcome, (error as Error).cause]).toEqual(['timed-out', undefined]);
  });

  it('[D11] leaves a tick succeeded whose handler returns', async () => {
    const { app, report } = await runningTick((tick) => untilAborted(tick).catch(() => 'done'));
    await app.close();
    expect(await report).toMatchObject({ outcome: 'succeeded', value: 'done' });
  });

  it('[D11] leaves a tick failed whose handler fails by something else, and logs it', async () => {
    const { app, report, log } = await runningTick((tick) =>
      untilAborted(tick).catch(() => Promise.reject(new TypeError('no rollback'))),
    );
    await app.close();
    expect(await report).toMatchObject({ outcome: 'failed', error: { message: 'no rollback' } });
    expect(log.of('error')).toHaveLength(1);
  });

  it('[D11] makes a tick cancelled that is still being built', async () => {
    const building = gate();
    const held = gate();
    @Injectable({ scope: Scope.REQUEST })
    class First {}
    @Injectable({ scope: Scope.REQUEST })
    class Second {}
    const first = {
      provide: First,
      scope: Scope.REQUEST,
      useFactory: async () => {
        building.open();
        await held.opened;
        return new First();
      },
    };
    const second = {
      provide: Second,
      scope: Scope.REQUEST,
      inject: [First],
      useFactory: () => new Second(),
    };
    let entered = false;
    const providers = [first, second, worker([Second], () => (entered = true))];
    const { app, registry, log } = await startApp({ providers });
    const report = registry.run('Worker.run');
    await building.opened;
    const closing = app.close();
    await turns();
    held.open();
    await closing;
    expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
    expect(entered).toBe(false);
    expect(log.of('error')).toEqual([]);
  });

  it.each([
    ['an AbortError', () => new DOMException('the peer hung up', 'AbortError')],
    [
      'an error with the code ABORT_ERR',
      () => Object.assign(new Error('gone'), { code: 'ABORT_ERR' }),
    ],
    ['the CanceledError of axios', () => canceled({ name: 'CanceledError', code: 'ERR_CANCELED' })],
  ])('[D12] without a shutdown %s is a failure, and logged', async (_, errorOf) => {
    const error = errorOf();
    const { registry, log } = await startApp({
      providers: [worker([], () => Promise.reject(error))],
    });
    const report = await registry.run('Worker.run');
    expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
    expect(report.error).toBe(error);
    expect(log.of('error')).toHaveLength(1);
  });

  describe('when an abort listener throws', () => {
    const throwing = (): never => {
      throw new Error('listener');
    };
    const rejecting = (): unknown => Promise.reject(new Error('listener'));
    const registrations: [string, (signal: AbortSignal) => void][] = [
      ['addEventListener', (signal) => signal.addEventListener('abort', throwing)],
      [
        'a listener object',
        (signal) => signal.addEventListener('abort', { handleEvent: throwing }),
      ],
      ['onabort', (signal) => (signal.onabort = throwing)],
      ['an async listener', (signal) => signal.addEventListener('abort', rejecting)],
    ];

    it.each(registrations)(
      '[D9] stops neither the others nor the drain, and is reported: %s',
      async (_, register) => {
        const heard: string[] = [];
        const test = await runningTick(async (tick) => {
          tick.signal.addEventListener('abort', () => heard.push('before'));
          register(tick.signal);
          tick.signal.addEventListener('abort', () => heard.push('after'));
          await untilAborted(tick);
        });
        const failures: StrayFailure[] = [];
        test.events.on('failure:stray', (failure) => failures.push(failure));
        await test.app.close();
        await turns();
        expect(heard).toEqual(['before', 'after']);
        expect((await test.report).outcome).toBe('cancelled');
        expect(failures).toEqual([
          {
            where: 'abort-listener',
            schedule: 'Worker.run',
            tickId: test.tick.id,
            error: expect.objectContaining({ message: 'listener' }),
          },
        ]);
      },
    );
  });

  it('[D9] does not call a listener whose own signal was aborted before', async () => {
    const test = await runningTick(async (tick) => {
      const done = new AbortController();
      tick.signal.addEventListener('abort', () => called.push('listener'), { signal: done.signal });
      done.abort();
      await untilAborted(tick);
    });
    const called: string[] = [];
    await test.app.close();
    expect(called).toEqual([]);
  });

  it('keeps listeners removable, and once is once', async () => {
    const heard: string[] = [];
    const removed = (): void => void heard.push('removed');
    const test = await runningTick(async (tick) => {
      tick.signal.addEventListener('abort', removed);
      tick.signal.removeEventListener('abort', removed);
      tick.signal.addEventListener('abort', () => heard.push('once'), { once: true });
      const derived = AbortSignal.any([tick.signal]);
      derived.addEventListener('abort', () => heard.push('derived'));
      await untilAborted(tick);
    });
    await test.app.close();
    expect(heard.sort()).toEqual(['derived', 'once']);
  });

  it('reaches the ticks of every schedule', async () => {
    const aborted: string[] = [];
    const begun = [gate(), gate()];
    function named(index: number) {
      @ScopedWorker()
      class Worker {
        @ScopedTimeout(0, { name: `worker ${index}` })
        async run(tick: Tick): Promise<void> {
          begun[index]!.open();
          await untilAborted(tick).catch(() => aborted.push(tick.schedule));
        }
      }
      return Worker;
    }
    const { app } = await startApp({ providers: [named(0), named(1)] });
    await Promise.all(begun.map(({ opened }) => opened));
    await app.close();
    expect(aborted.sort()).toEqual(['worker 0', 'worker 1']);
  });
});
