import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Inject, Scope, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { throwError } from 'rxjs';
import {
  ScopedWorker,
  TickTimeoutError,
  type HandlerOptions,
  type ScopedWorkerModuleOptions,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { OnDemand, RequestScoped, worker, ProbeJournal, type Probe } from '../support/probes.js';
import { fails, retryApp, succeeds, type Attempt } from '../support/retry-app.js';
import { turns, untilAborted } from '../support/running-tick.js';

afterEach(async () => {
  jest.restoreAllMocks();
  await closeApps();
});

describe('a retried tick', () => {
  describe('scopes', () => {
    it('[A16] has a scope for each attempt, and disposes that of the failed one before the next opens', async () => {
      const probes: Probe[] = [];
      const disposedBefore: number[] = [];
      const { app, run, told, ticks } = await retryApp([
        (_, probe) => {
          probes.push(probe);
          disposedBefore.push(app.get(ProbeJournal).disposed.length);
          if (probes.length < 3) throw new Error('not yet');
        },
      ]);
      const report = await run();
      expect(report.outcome).toBe('succeeded');
      expect(new Set(probes).size).toBe(3);
      expect(disposedBefore).toEqual([0, 1, 2]);
      expect(app.get(ProbeJournal).disposed).toEqual(probes);
      expect(new Set(ticks.map(({ scope }) => scope)).size).toBe(3);
      expect(told.filter((what) => what.startsWith('scope'))).toEqual([
        'scope:opened',
        'scope:closed',
        'scope:opened',
        'scope:closed',
        'scope:opened',
        'scope:closed',
      ]);
    });

    it('[A16] waits for an asynchronous disposer of the failed attempt', async () => {
      const held = gate();
      const first = gate();
      const { run, ticks, registry } = await retryApp([
        ({ scope }) => {
          scope.defer(() => held.opened);
          first.open();
          throw new Error('first');
        },
        succeeds,
      ]);
      const report = run();
      await first.opened;
      await turns();
      expect([ticks.length, registry.stats().openScopes]).toEqual([1, 1]);
      held.open();
      expect(await report).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });

    it('[A16] waits for the waitFor work of the failed attempt', async () => {
      const held = gate();
      const { run, ticks } = await retryApp([
        ({ scope }) => {
          scope.waitFor(held.opened);
          throw new Error('first');
        },
        succeeds,
      ]);
      const report = run();
      await turns();
      expect(ticks).toHaveLength(1);
      held.open();
      expect(await report).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });

    it('[A16][A11] builds a new worker for each attempt', async () => {
      const states: unknown[] = [];
      @ScopedWorker()
      class Importer {
        state: string | undefined;

        @OnDemand({ retry: { attempts: 2 } })
        run(): void {
          states.push(this.state);
          this.state = 'left over';
          if (states.length < 2) throw new Error('first');
        }
      }
      const { registry } = await startApp({ providers: [Importer] });
      expect(await registry.run('Importer.run')).toMatchObject({ attempts: 2 });
      expect(states).toEqual([undefined, undefined]);
    });

    it('[A16][A22] injects the tick of the attempt', async () => {
      const seen: Tick[] = [];
      @RequestScoped()
      class Repository {
        constructor(@Inject(REQUEST) request: Tick) {
          seen.push(request);
        }
      }
      const Worker = worker(
        [Repository],
        (tick) => {
          expect(seen.at(-1)).toBe(tick);
          if (tick.attempt < 3) throw new Error('not yet');
        },
        { retry: { attempts: 3 } },
      );
      const { registry } = await startApp({ providers: [Repository, Worker] });
      expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
      expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
      expect(new Set(seen).size).toBe(3);
    });

    it('[A16][A17] seeds each attempt, and nothing of the one before is seen in it', async () => {
      const store = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      const { run } = await retryApp(
        [
          async ({ attempt }) => {
            seen.push(store.getStore());
            store.enterWith('left by the handler');
            await turn();
            if (attempt < 3) throw new Error('not yet');
          },
        ],
        {
          options: {
            onOpen: ({ attempt }) => {
              seen.push(store.getStore());
              store.enterWith(`seed ${attempt}`);
            },
          },
        },
      );
      await run();
      expect(seen).toEqual([undefined, 'seed 1', undefined, 'seed 2', undefined, 'seed 3']);
      expect(store.getStore()).toBeUndefined();
    });

    it('[A16] wraps each attempt by the hooks of around', async () => {
      const lines: string[] = [];
      const { run } = await retryApp([fails, succeeds], {
        options: {
          around: [
            async (tick, next) => {
              lines.push(`before ${tick.attempt}`);
              await next().finally(() => lines.push(`after ${tick.attempt}`));
            },
          ],
        },
      });
      expect((await run()).outcome).toBe('succeeded');
      expect(lines).toEqual(['before 1', 'after 1', 'before 2', 'after 2']);
    });

    it('[B28] opens as many scopes as it closes, after any mix of outcomes', async () => {
      const { registry, run } = await retryApp([fails, succeeds, fails, fails, fails, succeeds]);
      const outcomes = [await run(), await run(), await run()].map(({ outcome }) => outcome);
      expect(outcomes).toEqual(['succeeded', 'failed', 'succeeded']);
      expect(registry.stats()).toMatchObject({ openedScopes: 6, closedScopes: 6, openScopes: 0 });
    });
  });

  describe('report', () => {
    it('[XA9] lists each attempt in its history; the tick is judged by the last', async () => {
      const { run } = await retryApp([fails, fails, succeeds]);
      const report = await run();
      expect(report).toMatchObject({
        outcome: 'succeeded',
        attempts: 3,
        value: 'attempt 3',
        disposeErrors: [],
        built: 6,
        disposed: 3,
      });
      expect(report).not.toHaveProperty('error');
      expect(report).not.toHaveProperty('phase');
      const failed = (attempt: number): unknown => ({
        attempt,
        scopeId: expect.any(String),
        startedAt: expect.any(Date),
        endedAt: expect.any(Date),
        outcome: 'failed',
        phase: 'handler',
        error: expect.objectContaining({ message: `attempt ${attempt} failed` }),
        disposeErrors: [],
        built: 2,
        disposed: 1,
        durationMs: expect.any(Number),
        disposeMs: expect.any(Number),
      });
      expect(report.history.slice(0, 2)).toEqual([failed(1), failed(2)]);
      expect(report.history[2]).toMatchObject({ attempt: 3, outcome: 'succeeded' });
      expect(new Set(report.history.map(({ scopeId }) => scopeId)).size).toBe(3);
    });

    it('[XA9] fails with the error of the last attempt when all fail', async () => {
      const { run, registry } = await retryApp([fails]);
      const report = await run();
      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', attempts: 3 });
      expect(report.error).toBe(report.history[2]!.error);
      expect(report.history.map(({ error }) => (error as Error).message)).toEqual([
        'attempt 1 failed',
        'attempt 2 failed',
        'attempt 3 failed',
      ]);
      expect(report).not.toHaveProperty('value');
      expect(registry.get('Worker.run').lastReport).toMatchObject({ attempts: 3 });
    });

    it('counts one attempt when nothing failed', async () => {
      const { run, retries } = await retryApp([succeeds]);
      const report = await run();
      expect(report).toMatchObject({ outcome: 'succeeded', attempts: 1, value: 'attempt 1' });
      expect([report.history.length, retries]).toEqual([1, []]);
    });

    it('keeps what failed in the disposal of a failed attempt in its history', async () => {
      const error = new Error('disposer');
      const { run } = await retryApp([
        ({ scope }) => {
          scope.defer(() => Promise.reject(error));
          throw new Error('first');
        },
        succeeds,
      ]);
      const report = await run();
      expect(report).toMatchObject({ outcome: 'succeeded', disposeErrors: [] });
      expect(report.history[0]).toMatchObject({ phase: 'handler', disposeErrors: [error] });
    });
  });

  describe('tick', () => {
    it('[XA9] counts attempts from 1, with one id, one firing and one payload', async () => {
      const { run, ticks } = await retryApp([fails]);
      const payload = { id: 7 };
      const { tickId } = await run(payload);
      expect(ticks.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
      for (const key of [
        'id',
        'schedule',
        'trigger',
        'scheduledAt',
        'firedAt',
        'latenessMs',
      ] as const)
        expect(new Set(ticks.map((tick) => tick[key])).size).toBe(1);
      expect(ticks[0]!.id).toBe(tickId);
      for (const tick of ticks) expect(tick.payload).toBe(payload);
      expect(new Set(ticks.map(({ signal }) => signal)).size).toBe(3);
    });

    it.each([null, 0, '', false])('has the payload that was passed: %p', async (payload) => {
      const { registry } = await startApp({});
      let seen: unknown = 'nothing';
      const handler = (tick: Tick): unknown => (seen = tick.payload);
      registry.add({ name: 'given', everyMs: 3_600_000, payload: 'default', handler });
      await registry.run('given', { payload });
      expect(seen).toBe(payload);
      await registry.run('given');
      expect(seen).toBe('default');
    });
  });

  describe('events and log', () => {
    it('[XA9] is reported as started once and finished once, with a tick:retrying between attempts', async () => {
      const { run, told, retries } = await retryApp([fails, fails, succeeds]);
      const { tickId, history } = await run();
      expect(told).toEqual([
        'scope:opened',
        'tick:started 1',
        'scope:closed',
        'tick:retrying 1',
        'scope:opened',
        'scope:closed',
        'tick:retrying 2',
        'scope:opened',
        'scope:closed',
        'tick:finished 3',
      ]);
      expect(retries).toEqual(
        [0, 1].map((index) => ({
          schedule: 'Worker.run',
          tickId,
          attempt: index + 1,
          error: history[index]!.error,
          waitMs: 0,
        })),
      );
    });

    it('[D16] is logged once when all attempts fail, and not at all when one succeeds', async () => {
      const { run, log } = await retryApp([fails, fails, fails, fails, succeeds]);
      await run();
      expect(log.of('error')).toEqual([expect.stringContaining('attempt 3 failed')]);
      expect((await run()).outcome).toBe('succeeded');
      expect([log.of('error').length, log.of('warn')]).toEqual([1, []]);
    });

    it('[D25] is not disturbed by a listener for tick:retrying that throws', async () => {
      const { run, events } = await retryApp([fails, succeeds]);
      events.on('tick:retrying', () => {
        throw new Error('listener');
      });
      expect(await run()).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });
  });

  describe('what failure means', () => {
    it("is judged by the final outcome: onFailure 'pause'", async () => {
      const { run, registry } = await retryApp([fails, fails, succeeds, fails], {
        handler: { disabled: false, onFailure: 'pause' },
      });
      const states: string[] = [];
      const note = (): unknown => states.push(registry.get('Worker.run').state);
      await run();
      note();
      await run();
      note();
      expect(states).toEqual(['active', 'paused']);
    });

    it('is not judged between attempts', async () => {
      const states: string[] = [];
      const { run, registry, events } = await retryApp([fails, succeeds], {
        handler: { disabled: false, onFailure: 'pause' },
      });
      events.on('tick:retrying', () => void states.push(registry.get('Worker.run').state));
      await run();
      expect(states).toEqual(['active']);
    });
  });

  describe('what is tried again', () => {
    /** Fails in some way the first time only. */
    type Failing = () => {
      attempts?: readonly Attempt[];
      options?: ScopedWorkerModuleOptions;
      providers?: Provider[];
      handler?: HandlerOptions;
    };
    const once = (): (() => void) => {
      let calls = 0;
      return () => {
        calls += 1;
        if (calls === 1) throw new Error('the first time');
      };
    };
    const failing: [string, string, Failing][] = [
      ['a handler throws', 'handler', () => ({ attempts: [fails, succeeds] })],
      [
        'a handler rejects',
        'handler',
        () => ({ attempts: [() => Promise.reject(new Error('no')), succeeds] }),
      ],
      [
        'the Observable of a handler fails',
        'handler',
        () => ({ attempts: [() => throwError(() => new Error('no')), succeeds] }),
      ],
      [
        'waitFor work rejects',
        'handler',
        () => ({
          attempts: [({ scope }) => scope.waitFor(Promise.reject(new Error('no'))), succeeds],
        }),
      ],
      ['onOpen throws', 'open', () => ({ options: { onOpen: once() } })],
      [
        'a hook of around refuses',
        'open',
        () => {
          const refuse = once();
          const hook = async (_tick: Tick, next: () => Promise<unknown>): Promise<unknown> => {
            refuse();
            return next();
          };
          return { options: { around: [hook] } };
        },
      ],
      [
        'what the handler resolves by hand cannot be built',
        'handler',
        () => {
          const refuse = once();
          const resolve: Attempt = ({ scope }) => scope.resolve('DATABASE');
          const provide = { provide: 'DATABASE', scope: Scope.REQUEST, useFactory: refuse };
          return { attempts: [resolve], providers: [provide] };
        },
      ],
      [
        'a commit fails',
        'commit',
        () => {
          const refuse = once();
          const unit = { onScopeCommit: refuse };
          const provide = {
            provide: 'UNIT',
            scope: Scope.REQUEST,
            useFactory: () => ({ ...unit }),
          };
          return { attempts: [({ scope }) => scope.resolve('UNIT')], providers: [provide] };
        },
      ],
    ];

    it.each(failing)('[XA8] %s: phase %s', async (_, phase, make) => {
      const { attempts = [succeeds], ...given } = make();
      const { run, registry } = await retryApp(attempts, given);
      const report = await run();
      expect(report).toMatchObject({ outcome: 'succeeded', attempts: 2 });
      expect(report.history[0]).toMatchObject({ outcome: 'failed', phase });
      expect(registry.stats()).toMatchObject({ openScopes: 0, openedScopes: 2 });
    });

    it('[XA8] a worker that cannot be built', async () => {
      let builds = 0;
      @RequestScoped()
      class Database {
        constructor() {
          builds += 1;
          if (builds < 3) throw new Error('database is down');
        }
      }
      const Worker = worker([Database], () => 'ran', { retry: { attempts: 3 } });
      const { registry } = await startApp({ providers: [Database, Worker] });
      const report = await registry.run('Worker.run');
      expect(report).toMatchObject({ outcome: 'succeeded', attempts: 3, value: 'ran' });
      expect(report.history[0]).toMatchObject({ outcome: 'failed', phase: 'resolve' });
    });

    it('[B38] [L4] a commit that fails, after it and the rest are rolled back', async () => {
      const lines: string[] = [];
      let commits = 0;
      const unit = (name: string) => ({
        onScopeCommit: () => {
          lines.push(`commit ${name}`);
          commits += 1;
          if (commits === 1) throw new Error('serialization failure');
        },
        onScopeRollback: () => lines.push(`rollback ${name}`),
      });
      const provided = ['A', 'B'].map((name) => ({
        provide: name,
        scope: Scope.REQUEST,
        useFactory: () => unit(name),
      }));
      const { run } = await retryApp(
        [
          async ({ scope }) => {
            await scope.resolve('A');
            await scope.resolve('B');
          },
        ],
        { providers: provided },
      );
      expect(await run()).toMatchObject({ outcome: 'succeeded', attempts: 2 });
      expect(lines).toEqual(['commit B', 'rollback B', 'rollback A', 'commit B', 'commit A']);
    });

    it('[D32] a timed-out attempt, once its handler has really ended; the time counts for each attempt', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
      const held = gate();
      const { run, ticks, registry } = await retryApp([() => held.opened, untilAborted, succeeds], {
        handler: { timeoutMs: 1_000 },
      });
      const report = run();
      await jest.advanceTimersByTimeAsync(5_000);
      expect([ticks.length, ticks[0]!.signal.aborted]).toEqual([1, true]);
      expect(registry.stats().openScopes).toBe(1);
      held.open();
      await turns();
      expect(ticks).toHaveLength(2);
      await jest.advanceTimersByTimeAsync(999);
      expect(ticks[1]!.signal.aborted).toBe(false);
      await jest.advanceTimersByTimeAsync(1);
      const { outcome, attempts, history } = await report;
      expect([outcome, attempts]).toEqual(['succeeded', 3]);
      for (const attempt of history.slice(0, 2)) {
        expect(attempt.outcome).toBe('timed-out');
        expect(attempt.error).toBeInstanceOf(TickTimeoutError);
      }
      expect(ticks[2]!.signal.aborted).toBe(false);
      jest.useRealTimers();
    });

    it('an abort error of the handler without an abort', async () => {
      const abort = (): never => {
        throw new DOMException('the peer hung up', 'AbortError');
      };
      const { run } = await retryApp([abort, succeeds]);
      expect(await run()).toMatchObject({ outcome: 'succeeded', attempts: 2 });
    });
  });

  describe('what is not tried again', () => {
    it('[XA8] what failed only in disposal, because its work is committed', async () => {
      const { run, ticks } = await retryApp([
        ({ scope }) => {
          scope.defer(() => Promise.reject(new Error('disposer')));
        },
      ]);
      expect(await run()).toMatchObject({ outcome: 'failed', phase: 'dispose', attempts: 1 });
      expect(ticks).toHaveLength(1);
    });

    it.each([
      ['committed', { outcome: 'failed', isPartlyCommitted: true, attempts: 1 }],
      [undefined, { outcome: 'succeeded', attempts: 2 }],
    ])(
      '[XA8] an attempt that failed after a commit hook returned "committed"; its neighbor is: %p',
      async (returned, expected) => {
        let calls = 0;
        const fails = (): void => {
          calls += 1;
          if (calls === 1) throw new Error('the first time');
        };
        const provided = [fails, () => returned].map((onScopeCommit, at) => ({
          provide: `UNIT ${at}`,
          scope: Scope.REQUEST,
          useFactory: () => ({ onScopeCommit }),
        }));
        const resolve: Attempt = async ({ scope }) => {
          await scope.resolve('UNIT 0');
          await scope.resolve('UNIT 1'); // commits first
        };
        const { run } = await retryApp([resolve], { providers: provided });
        expect(await run()).toMatchObject(expected);
      },
    );

    it('[XA8] what was cancelled', async () => {
      const { run, registry, next, retries } = await retryApp([untilAborted]);
      const started = next('tick:started');
      const report = run();
      await started;
      await turns();
      expect(registry.cancel('Worker.run')).toBe(1);
      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel', attempts: 1 });
      expect(retries).toEqual([]);
    });

    it('what succeeded though it was cancelled', async () => {
      const { run, registry } = await retryApp([(tick) => untilAborted(tick).catch(() => 'done')]);
      const report = run();
      await turns();
      registry.cancel('Worker.run');
      expect(await report).toMatchObject({ outcome: 'succeeded', attempts: 1, value: 'done' });
    });

    it('[D11] what failed by another error after its abort: it stays failed, and is logged', async () => {
      const { run, registry, log, retries } = await retryApp([
        (tick) => untilAborted(tick).catch(() => Promise.reject(new TypeError('no rollback'))),
      ]);
      const report = run();
      await turns();
      registry.cancel('Worker.run');
      expect(await report).toMatchObject({
        outcome: 'failed',
        attempts: 1,
        error: { message: 'no rollback' },
      });
      expect([log.of('error').length, retries]).toEqual([1, []]);
    });
  });
});

describe('the option retry', () => {
  const start = (retry: unknown): Promise<unknown> =>
    startApp({ providers: [worker([], () => undefined, { retry: retry as never })] });

  it.each<[string, unknown, unknown]>([
    ['0 attempts', { attempts: 0 }, { attempts: 1 }],
    ['-1 attempts', { attempts: -1 }, { attempts: 2 }],
    ['a broken number of attempts', { attempts: 1.5 }, { attempts: 15 }],
    ['attempts without end', { attempts: Infinity }, { attempts: 1_000_000 }],
    ['attempts as text', { attempts: '3' }, { attempts: 3 }],
    ['no attempts', { backoffMs: 1 }, { attempts: 3, backoffMs: 1 }],
    ['a number', 3, { attempts: 3 }],
    ['a list', [3], { attempts: 3 }],
    ['null', null, undefined],
    ['a negative wait', { attempts: 2, backoffMs: -1 }, { attempts: 2, backoffMs: 0 }],
    ['a wait that is NaN', { attempts: 2, backoffMs: NaN }, { attempts: 2, backoffMs: 0.5 }],
    ['a wait as text', { attempts: 2, backoffMs: '1s' }, { attempts: 2, backoffMs: () => 1 }],
    [
      'a wait over 49.7 days',
      { attempts: 2, backoffMs: 2 ** 32 },
      { attempts: 2, backoffMs: 2 ** 31 },
    ],
    ['jitter over 1', { attempts: 2, jitter: 1.1 }, { attempts: 2, jitter: 1 }],
    ['negative jitter', { attempts: 2, jitter: -0.1 }, { attempts: 2, jitter: 0 }],
    ['jitter as text', { attempts: 2, jitter: '0.5' }, { attempts: 2, jitter: 0.5 }],
    ['an unknown option', { attempts: 2, delay: 5 }, { attempts: 2 }],
  ])('[C13] is refused when it is wrong: %s', async (_, wrong, right) => {
    await expect(start(wrong)).rejects.toMatchObject({
      code: 'INVALID_SCHEDULE',
      message: expect.stringMatching(/retry /),
    });
    await expect(start(right)).resolves.toBeDefined();
  });

  it('means no retry with 1 attempt', async () => {
    const { run, retries } = await retryApp([fails], { handler: { retry: { attempts: 1 } } });
    expect(await run()).toMatchObject({ outcome: 'failed', attempts: 1 });
    expect(retries).toEqual([]);
  });

  it('does not happen by default', async () => {
    const { registry } = await startApp({
      providers: [worker([], () => Promise.reject(new Error('no')))],
    });
    expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'failed', attempts: 1 });
  });
});
