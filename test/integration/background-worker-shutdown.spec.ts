import { describe, expect, it, jest } from '@jest/globals';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { EventEmitter, once } from 'node:events';
import {
  ProviderScopeFactory,
  type BackgroundFailure,
  type StrayFailure,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp, type TestApp } from '../support/app.js';
import {
  background,
  begin,
  heard,
  runningBackground,
  untilStopped,
} from '../support/background.js';
import { advance } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';
import { closing, turns } from '../support/running-tick.js';

appsOnFakeClock();

describe('app.close() while a background worker runs', () => {
  it('[D28] names no worker that has begun it and ends while it runs, whenever that is', async () => {
    const abandoned: string[] = [];
    for (let later = 0; later < 20; later += 1) {
      const mayBegin = gate();
      const test = await runningBackground(async () => {
        await mayBegin.opened;
        void test.app.close();
        for (let turn = 0; turn < later; turn += 1) await Promise.resolve();
      });
      const ended = test.next('shutdown:finished');
      mayBegin.open();
      abandoned.push(...(await ended).abandoned);
    }
    expect(abandoned).toEqual([]);
  });

  it('[D5] aborts its signal at once, and resolves when it has ended', async () => {
    const held = gate();
    const test = await runningBackground(() => held.opened);
    const started = test.next('shutdown:started');
    const close = closing(test);
    await turns();
    expect(test.stopping.aborted).toBe(true);
    expect(test.stopping.reason).toMatchObject({ name: 'AbortError' });
    expect((await started).waitingFor).toEqual(['Sync.execute']);
    expect(close.done).toBe(false);
    held.open();
    await close.promise;
    expect(test.log.of('error')).toEqual([]);
  });

  it('[D5] the signal is aborted before drainTimeoutMs, in which it can still open scopes', async () => {
    const resolved: unknown[] = [];
    @RequestScoped()
    class Connection {}
    const options = { drainTimeoutMs: 5_000 };
    const test = await runningBackground(
      async (stopping) => {
        await heard(stopping);
        await turns();
        const scopes = test.app.get(ProviderScopeFactory);
        await scopes.run(async (scope) => resolved.push(await scope.resolve(Connection)));
      },
      { providers: [Connection], options },
    );
    await test.app.close();
    expect(resolved).toHaveLength(1);
    expect(performance.now()).toBe(0);
  });

  it('[E5] resolves at once when it has ended before, and says that nothing is waited for', async () => {
    const test = await runningBackground(() => undefined);
    const started = test.next('shutdown:started');
    await test.app.close();
    expect((await started).waitingFor).toEqual([]);
    expect(performance.now()).toBe(0);
  });

  it('[D6] abandons one that ignores its signal when shutdownTimeoutMs is over, and names it', async () => {
    const held = gate();
    const options = { shutdownTimeoutMs: 5_000 };
    const test = await runningBackground(() => held.opened, { options });
    const ended = test.next('shutdown:finished');
    const close = closing(test);
    await advance(4_999);
    expect(close.done).toBe(false);
    await advance(1);
    await close.promise;
    expect((await ended).abandoned).toEqual(['Sync.execute']);
    expect(test.log.of('error')).toEqual([expect.stringContaining('Sync.execute')]);
    held.open();
  });

  it('[D6] abandons nothing that ends in time', async () => {
    const options = { shutdownTimeoutMs: 5_000 };
    const test = await runningBackground(heard, { options });
    const ended = test.next('shutdown:finished');
    await test.app.close();
    expect((await ended).abandoned).toEqual([]);
  });

  it('[D7] has one deadline for background workers and ticks together, not a sum', async () => {
    const held = gate();
    const test = await runningBackground(() => held.opened, {
      options: { shutdownTimeoutMs: 5_000 },
      providers: [background('Other', () => held.opened), worker([], () => held.opened)],
    });
    const report = test.registry.run('Worker.run');
    await turns();
    const ended = test.next('shutdown:finished');
    const close = closing(test);
    await advance(5_000);
    expect(close.done).toBe(true);
    const { abandoned, waitedMs } = await ended;
    expect(waitedMs).toBe(5_000);
    expect(abandoned).toHaveLength(3);
    expect(abandoned.slice(1)).toEqual(['Sync.execute', 'Other.execute']);
    held.open();
    await report;
  });

  describe('when an abort listener throws', () => {
    const throwing = (): never => {
      throw new Error('listener');
    };
    const rejecting = (): unknown => Promise.reject(new Error('listener'));
    it.each<[string, (signal: AbortSignal) => void]>([
      ['addEventListener', (signal) => signal.addEventListener('abort', throwing)],
      ['onabort', (signal) => (signal.onabort = throwing)],
      ['an async listener', (signal) => signal.addEventListener('abort', rejecting)],
    ])('[D9] stops neither the others nor the drain, and is reported: %s', async (_, register) => {
      const order: string[] = [];
      const test = await runningBackground(async (stopping) => {
        stopping.addEventListener('abort', () => order.push('before'));
        register(stopping);
        stopping.addEventListener('abort', () => order.push('after'));
        await heard(stopping);
      });
      const failures: StrayFailure[] = [];
      test.events.on('failure:stray', (failure) => failures.push(failure));
      await test.app.close();
      await turns();
      expect(order).toEqual(['before', 'after']);
      expect(failures).toMatchObject([
        { where: 'abort-listener', worker: 'Sync', error: { message: 'listener' } },
      ]);
      expect(test.log.of('error')).toEqual(['abort-listener of Sync failed: listener']);
    });
  });

  describe('what it throws after the abort', () => {
    it.each<[string, (stopping: AbortSignal) => Promise<unknown>]>([
      ['the reason of the signal', untilStopped],
      ['the AbortError of a Node API', (signal) => once(new EventEmitter(), 'x', { signal })],
      [
        'an AbortError of a library',
        (stopping) =>
          heard(stopping).then(() => Promise.reject(new DOMException('gone', 'AbortError'))),
      ],
    ])('[D11] does not count as a failure, and logs no error: %s', async (_, execute) => {
      const test = await runningBackground(execute);
      const failures: BackgroundFailure[] = [];
      test.events.on('background:failed', (failure) => failures.push(failure));
      await test.app.close();
      expect(failures).toEqual([]);
      expect(test.log.of('error')).toEqual([]);
    });

    it('[D12] is a failure before `stopping` is aborted, even with its own abort error', async () => {
      const [began, mayFail] = [gate(), gate()];
      const test = await runningBackground(async () => {
        await mayFail.opened;
        throw new DOMException('the request was aborted', 'AbortError');
      });
      const failed = gate();
      test.events.on('background:failed', () => failed.open());
      test.events.on('shutdown:started', async () => {
        began.open();
        await failed.opened;
      });
      const closed = test.app.close();
      await began.opened;
      mayFail.open();
      await closed;
      expect(test.log.of('error')).toEqual([expect.stringMatching(/^Sync\.execute failed/)]);
    });

    it('[D11] does not count as a failure, and logs no error: the refusal to open a scope after app.close()', async () => {
      const held = gate();
      const options = { shutdownTimeoutMs: 0 };
      const test: TestApp = await runningBackground(
        async () => {
          await held.opened;
          await test.scopes.run(() => undefined);
        },
        { options },
      );
      const failures: BackgroundFailure[] = [];
      test.events.on('background:failed', (failure) => failures.push(failure));
      await test.app.close();
      test.log.entries.length = 0;
      held.open();
      await turns();
      expect(failures).toEqual([]);
      expect(test.log.of('error')).toEqual([]);
    });

    it('[D11] is a failure when it is something else: reported before the shutdown completes, and not restarted', async () => {
      const order: unknown[] = [];
      const test = await runningBackground(async (stopping) => {
        await heard(stopping);
        throw new TypeError('no rollback');
      });
      test.events.on('background:failed', ({ restartInMs }) => order.push(['failed', restartInMs]));
      test.events.on('shutdown:finished', () => order.push('finished'));
      await test.app.close();
      await advance(600_000);
      expect(order).toEqual([['failed', undefined], 'finished']);
      expect(test.log.of('error')).toEqual([
        'Sync.execute failed (not restarted): TypeError: no rollback',
      ]);
    });

    it("[D11] a failure during the shutdown does not stop the application a second time, with 'stop-app'", async () => {
      const test = await runningBackground(
        async (stopping) => {
          await heard(stopping);
          throw new TypeError('no rollback');
        },
        {},
        'stop-app',
      );
      await test.app.close();
      expect(test.log.of('fatal')).toEqual([]);
    });
  });

  it('returns: it is reported neither as ended nor as failed', async () => {
    const test = await runningBackground(heard);
    const told: string[] = [];
    test.events.on('background:ended', () => told.push('ended'));
    test.events.on('background:failed', () => told.push('failed'));
    await test.app.close();
    expect(told).toEqual([]);
  });

  it('cuts the wait for a restart short, and never restarts', async () => {
    let runs = 0;
    const test = await runningBackground((_, run) => {
      runs = run;
      return Promise.reject(new Error('boom'));
    });
    await turns();
    const started = test.next('shutdown:started');
    await test.app.close();
    expect((await started).waitingFor).toEqual([]);
    expect([performance.now(), jest.getTimerCount()]).toEqual([0, 0]);
    await advance(600_000);
    expect(runs).toBe(1);
  });

  it('[D20] runs before any onModuleDestroy: what disconnects there is connected for the last iteration', async () => {
    const journal: string[] = [];
    @Injectable()
    class Database implements OnModuleInit, OnModuleDestroy {
      #isConnected = false;
      onModuleInit(): void {
        this.#isConnected = true;
      }
      query(): void {
        journal.push(this.#isConnected ? 'query' : 'query without connection');
      }
      onModuleDestroy(): void {
        this.#isConnected = false;
        journal.push('disconnected');
      }
    }
    const test = await runningBackground(
      async (stopping) => {
        await heard(stopping);
        await turns();
        test.app.get(Database).query();
      },
      { providers: [Database] },
    );
    await test.app.close();
    expect(journal).toEqual(['query', 'disconnected']);
  });
});

describe('app.close() inside execute', () => {
  it('[D28] does not wait for itself; the signal is aborted', async () => {
    const seen: unknown[] = [];
    const closed = gate();
    const go = gate();
    const test = await runningBackground(async (stopping) => {
      await go.opened;
      await test.app.close();
      seen.push(stopping.aborted);
      closed.open();
    });
    const started = test.next('shutdown:started');
    const ended = test.next('shutdown:finished');
    go.open();
    await closed.opened;
    expect(seen).toEqual([true]);
    expect((await started).waitingFor).toEqual([]);
    expect((await ended).abandoned).toEqual([]);
    expect(performance.now()).toBe(0);
  });

  it.each(['run', 'open'] as const)(
    '[D28] nor inside a scope that it has opened: %s',
    async (way) => {
      const closed = gate();
      const go = gate();
      const test = await runningBackground(async () => {
        await go.opened;
        if (way === 'run') {
          await test.scopes.run(() => test.app.close());
        } else {
          await using _ = await test.scopes.open();
          await test.app.close();
        }
        closed.open();
      });
      go.open();
      await closed.opened;
      expect(performance.now()).toBe(0);
    },
  );

  it('[D28] nor inside a tick that it runs and waits for', async () => {
    const closed = gate();
    const go = gate();
    const test = await runningBackground(
      async () => {
        await go.opened;
        await test.registry.run('Worker.run');
        closed.open();
      },
      { providers: [worker([], () => test.app.close())] },
    );
    go.open();
    await closed.opened;
    expect(performance.now()).toBe(0);
  });

  it('[D28] waits for the other background workers and for ticks', async () => {
    const { journal, Probe } = probes();
    @RequestScoped()
    class Connection extends Probe {}
    const held = gate();
    const go = gate();
    const closed = gate();
    const test = await runningBackground(
      async () => {
        await go.opened;
        await test.app.close();
        journal.note('closed');
        closed.open();
      },
      {
        providers: [
          Connection,
          background('Other', async () => {
            await held.opened;
            journal.note('other ended');
          }),
          worker([Connection], () => held.opened),
        ],
      },
    );
    const report = test.registry.run('Worker.run');
    await turns();
    go.open();
    await turns();
    expect(journal.lines).toEqual(['built Connection']);
    held.open();
    await closed.opened;
    await report;
    expect(journal.lines.slice(1)).toEqual(['other ended', 'disposed Connection', 'closed']);
  });

  it('[D28] in a listener of its failure it waits for nothing', async () => {
    const closed = gate();
    const test = await startApp({
      providers: [background('Sync', () => Promise.reject(new Error('boom')))],
    });
    test.events.on('background:failed', async () => {
      await test.app.close();
      closed.open();
    });
    await begin();
    await closed.opened;
    expect(performance.now()).toBe(0);
  });

  it('[D28] what a failed run has left behind is not inside the next run', async () => {
    const held = gate();
    const left = gate();
    let closed = false;
    const test = await startApp({
      providers: [
        background('Sync', (_, run) => {
          if (run > 1) return held.opened;
          void left.opened.then(() => test.app.close()).then(() => (closed = true));
          return Promise.reject(new Error('boom'));
        }),
      ],
    });
    await begin();
    await advance(1_000);
    left.open();
    await turns();
    expect(closed).toBe(false);
    held.open();
    await turns();
    expect(closed).toBe(true);
  });

  it('[D28] outside of it, app.close() does wait', async () => {
    const held = gate();
    const test = await runningBackground(() => held.opened);
    const close = closing(test);
    await turns();
    expect(close.done).toBe(false);
    held.open();
    await close.promise;
  });
});
