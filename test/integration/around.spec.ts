import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  Injectable,
  Scope,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import {
  currentTick,
  ScopedWorker,
  TickTimeoutError,
  type Tick,
  type AroundHook,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { aroundApp, noting } from '../support/around.js';
import { forEachApp } from '../support/for-each.js';
import { gate, turn } from '../support/gate.js';
import { OnDemand, probes, RequestScoped, Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { refusal } from '../support/refusal.js';
import { turns, untilAborted } from '../support/running-tick.js';

afterEach(async () => {
  await closeApps();
  jest.restoreAllMocks();
});

describe('around', () => {
  it('wraps a tick, the first hook outermost', async () => {
    const lines: string[] = [];
    const { registry } = await aroundApp(
      { around: ['a', 'b', 'c'].map((name) => noting(lines, name)) },
      () => (lines.push('handler'), 'value'),
    );
    const report = await registry.run('Worker.run');
    expect(report).toMatchObject({ outcome: 'succeeded', value: 'value' });
    expect(lines).toEqual([
      'a begins',
      'b begins',
      'c begins',
      'handler',
      'c sees value',
      'b sees value',
      'a sees value',
    ]);
  });

  it('[A15] [B2] wraps all of it: onOpen, constructors, handler, commit and disposers', async () => {
    const { journal, Probe: Base } = probes();
    @RequestScoped()
    class Repo extends Base {
      onScopeCommit(): void {
        journal.note('committed');
      }
    }
    const { registry } = await aroundApp(
      {
        around: [noting(journal.lines, 'hook')],
        options: { onOpen: () => journal.note('onOpen') },
        needs: [Repo],
        providers: [Repo],
      },
      (tick) => {
        tick.scope.waitFor(turn().then(() => journal.note('waited')));
        journal.note('handler');
      },
    );
    await registry.run('Worker.run');
    expect(journal.lines).toEqual([
      'hook begins',
      'onOpen',
      'built Repo',
      'handler',
      'waited',
      'committed',
      'disposed Repo',
      'hook sees undefined',
    ]);
  });

  it.each<[string, (lines: string[]) => AroundHook]>([
    ['a function', (lines) => noting(lines, 'hook')],
    ['an object with intercept', (lines) => ({ intercept: noting(lines, 'hook') })],
    [
      'an instance, which keeps its this',
      (lines) =>
        new (class Interceptor {
          readonly name = 'hook';
          intercept(...args: Parameters<Extract<AroundHook, Function>>): unknown {
            return noting(lines, this.name)(...args);
          }
        })(),
    ],
  ])('takes %s', async (_, hook) => {
    const lines: string[] = [];
    const { registry } = await aroundApp({ around: [hook(lines)] });
    await registry.run('Worker.run');
    expect(lines).toEqual(['hook begins', 'hook sees value']);
  });

  it('passes the tick of the handler to hooks, whose scope is open', async () => {
    const seen: Tick[] = [];
    const { registry } = await aroundApp(
      {
        around: [
          (tick, next) => {
            expect(currentTick()).toBe(tick);
            expect(tick.scope.closed).toBe(false);
            seen.push(tick);
            return next();
          },
        ],
      },
      (tick) => void seen.push(tick),
    );
    const report = await registry.run('Worker.run', { payload: 'p' });
    expect(seen[0]).toBe(seen[1]);
    expect(seen[0]).toMatchObject({ id: report.tickId, schedule: 'Worker.run', payload: 'p' });
  });

  it('a hook cannot change the report by what it returns, nor by hiding an error', async () => {
    const failure = new Error('no paper');
    const hide: AroundHook = async (_tick, next) => {
      await next().catch(() => undefined);
      return 'all is well';
    };
    const { registry, finished, strays } = await aroundApp({ around: [hide] }, ({ payload }) => {
      if (payload === 'fail') throw failure;
      return 'value';
    });
    expect((await registry.run('Worker.run')).value).toBe('value');
    const report = await registry.run('Worker.run', { payload: 'fail' });
    expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
    expect(report.error).toBe(failure);
    expect([finished.length, strays]).toEqual([2, []]);
  });

  it('[A21] a tick that is skipped has none', async () => {
    const lines: string[] = [];
    const held = gate();
    const { registry } = await aroundApp(
      { around: [noting(lines, 'hook')], handler: { overlap: 'skip' } },
      () => held.opened,
    );
    const first = registry.run('Worker.run');
    await turns();
    expect((await registry.run('Worker.run')).reason).toBe('overlap');
    held.open();
    await first;
    expect(lines).toHaveLength(2);
  });

  it('[A9] runs separate hooks for ticks that overlap', async () => {
    const lines: string[] = [];
    const { registry } = await aroundApp(
      {
        around: [
          async ({ payload }, next) => {
            await turn();
            const value = await next();
            lines.push(`${String(payload)} ${String(value)}`);
          },
        ],
      },
      async ({ payload }) => {
        await turn();
        return payload;
      },
    );
    await Promise.all(
      Array.from({ length: 20 }, (_, payload) => registry.run('Worker.run', { payload })),
    );
    expect(lines.sort()).toEqual(Array.from({ length: 20 }, (_, id) => `${id} ${id}`).sort());
  });

  it('[A16] wraps each attempt, which has its own tick and scope', async () => {
    const lines: string[] = [];
    const ids: string[] = [];
    const { registry, next } = await aroundApp(
      {
        around: [
          noting(lines, 'hook'),
          (tick, run) => {
            ids.push(`${tick.attempt} ${tick.scope.id}`);
            return run();
          },
        ],
        handler: { retry: { attempts: 3 } },
      },
      ({ attempt }) => {
        if (attempt < 3) throw new Error(`busy ${attempt}`);
        return 'done';
      },
    );
    const retrying = next('tick:retrying');
    const report = await registry.run('Worker.run');
    expect(await retrying).toMatchObject({ attempt: 1 });
    expect(report).toMatchObject({ outcome: 'succeeded', attempts: 3 });
    expect(lines).toEqual([
      'hook begins',
      'hook sees busy 1',
      'hook begins',
      'hook sees busy 2',
      'hook begins',
      'hook sees done',
    ]);
    expect(ids).toEqual(report.history.map(({ attempt, scopeId }) => `${attempt} ${scopeId}`));
  });

  it('wraps the tick of each item of forEach, not the asking for the list', async () => {
    const items: unknown[] = [];
    const { registry } = await forEachApp({
      list: () => {
        items.push('asked');
        return [1, 2];
      },
      options: {
        around: [
          ({ payload }, next) => {
            items.push(payload);
            return next();
          },
        ],
      },
    });
    await registry.run('Worker.run');
    expect(items).toEqual(['asked', 1, 2]);
  });

  it('[A13] a hook, a guard, an interceptor, the handler and a provider see one Probe', async () => {
    const seen: Probe[] = [];
    @Injectable()
    class Guard implements CanActivate {
      constructor(private readonly probe: Probe) {}

      canActivate(): boolean {
        seen.push(this.probe);
        return true;
      }
    }
    @Injectable()
    class Interceptor implements NestInterceptor {
      constructor(private readonly probe: Probe) {}

      intercept(_context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
        seen.push(this.probe);
        return next.handle();
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Repository {
      constructor(readonly probe: Probe) {}
    }
    @ScopedWorker()
    class Guarded {
      constructor(
        private readonly probe: Probe,
        private readonly repository: Repository,
      ) {}

      @OnDemand()
      @UseGuards(Guard)
      @UseInterceptors(Interceptor)
      run(): void {
        seen.push(this.probe, this.repository.probe);
      }
    }
    const { app, registry } = await startApp({
      providers: [Guarded, Repository, ...PROBES],
      options: {
        around: [
          async ({ scope }, next) => {
            seen.push(await scope.resolve(Probe));
            return next();
          },
        ],
      },
    });
    for (let tick = 1; tick <= 2; tick += 1) {
      seen.length = 0;
      expect((await registry.run('Guarded.run')).outcome).toBe('succeeded');
      expect(seen).toHaveLength(5);
      expect(new Set(seen).size).toBe(1);
      const { created, disposed } = app.get(ProbeJournal);
      expect([created.length, disposed.length]).toEqual([tick, tick]);
    }
  });

  describe('when the tick does not succeed', () => {
    /** What `next()` rejects with, and the report of the tick. */
    async function seenBy(
      work: (tick: Tick) => unknown,
      more: Partial<Parameters<typeof aroundApp>[0]> = {},
    ) {
      const seen: { error?: unknown } = {};
      const hook: AroundHook = async (_tick, next) => {
        await next().catch((error: unknown) => (seen.error = error));
      };
      const test = await aroundApp({ around: [hook], ...more }, work);
      return { ...test, seen, report: await test.registry.run('Worker.run') };
    }
    const failure = new Error('no paper');

    @Injectable({ scope: Scope.REQUEST })
    class Uncommittable {
      onScopeCommit(): never {
        throw failure;
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Undisposable {
      [Symbol.dispose](): never {
        throw failure;
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Unbuildable {
      constructor() {
        throw failure;
      }
    }

    it.each<[string, Parameters<typeof seenBy>[0], Parameters<typeof seenBy>[1], object]>([
      ['throws', () => Promise.reject(failure), {}, { phase: 'handler' }],
      [
        'cannot be built',
        () => undefined,
        { needs: [Unbuildable], providers: [Unbuildable] },
        { phase: 'resolve' },
      ],
      [
        'fails in onOpen',
        () => undefined,
        { options: { onOpen: () => Promise.reject(failure) } },
        { phase: 'open' },
      ],
      [
        'fails to commit',
        () => undefined,
        { needs: [Uncommittable], providers: [Uncommittable] },
        { phase: 'commit' },
      ],
      [
        'fails to be disposed',
        () => undefined,
        { needs: [Undisposable], providers: [Undisposable] },
        { phase: 'dispose' },
      ],
      [
        'has waitFor work that fails',
        ({ scope }) => scope.waitFor(turn().then(() => Promise.reject(failure))),
        {},
        { phase: 'handler' },
      ],
    ])('[B38] [B30] next() rejects with its error: it %s', async (_, work, more, expected) => {
      const { report, seen, strays } = await seenBy(work, more);
      expect(report).toMatchObject({ outcome: 'failed', ...expected });
      expect(report.error).toBe(failure);
      expect(seen.error).toBe(failure);
      expect(strays).toEqual([]);
    });

    it('[D32] next() rejects with the TickTimeoutError of one that ran too long', async () => {
      const { report, seen } = await seenBy((tick) => untilAborted(tick).catch(() => 'late'), {
        handler: { timeoutMs: 5 },
      });
      expect(report.outcome).toBe('timed-out');
      expect(seen.error).toBeInstanceOf(TickTimeoutError);
      expect(seen.error).toBe(report.error);
    });

    it('[D11] next() rejects with the abort of one that is cancelled', async () => {
      const begun = gate();
      const seen: { error?: unknown } = {};
      const hook: AroundHook = async (_tick, next) => {
        await next().catch((error: unknown) => (seen.error = error));
      };
      const { registry, log } = await aroundApp({ around: [hook] }, (tick) => {
        begun.open();
        return untilAborted(tick);
      });
      const run = registry.run('Worker.run');
      await begun.opened;
      registry.cancel('Worker.run');
      const report = await run;
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      expect(seen.error).toMatchObject({ name: 'AbortError' });
      expect(log.of('error')).toEqual([]);
    });

    it('[B35] next() settles after a disposer that hangs is abandoned', async () => {
      @Injectable({ scope: Scope.REQUEST })
      class Hanging {
        [Symbol.asyncDispose](): Promise<void> {
          return new Promise(() => undefined);
        }
      }
      const { seen } = await seenBy(() => undefined, {
        needs: [Hanging],
        providers: [Hanging],
        options: { disposeTimeoutMs: 5 },
      });
      expect(seen.error).toMatchObject({ code: 'DISPOSE_TIMEOUT' });
    });
  });

  describe('when the option cannot work', () => {
    it.each<[string, unknown, string]>([
      ['a function', () => undefined, 'around must be a list of hooks, not function'],
      ['an object', { intercept: () => undefined }, 'around must be a list of hooks'],
      ['null', null, 'around must be a list of hooks, not null'],
      ['a list of text', ['cls'], 'around[0] must be a function (tick, next)'],
      ['a hole', [() => undefined, undefined], 'around[1] must be'],
      ['a class', [class Hook {}], 'around[0] must be'],
      [
        'a class of hooks',
        [
          class Hook {
            intercept(): void {}
          },
        ],
        'around[0] must be',
      ],
    ])('[C13] %s stops start-up in one sentence', async (_, around, words) => {
      const error = await refusal({ options: { around: around as never } });
      expect(error.code).toBe('INVALID_OPTIONS');
      expect(error.message).toMatch(/^ScopedWorkerModule: around.*[^.]\.$/);
      expect(error.message).toContain(words);
    });

    it('[C13] an empty list is accepted', async () => {
      const { registry } = await aroundApp({ around: [] });
      expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    });
  });
});
