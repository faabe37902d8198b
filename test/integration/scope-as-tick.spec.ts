import { afterEach, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { of } from 'rxjs';
import {
  currentTick,
  InjectTick,
  InvalidOptionsError,
  ProviderScopeFactory,
  TickTimeoutError,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { closeApps, startApp, type TestAppOptions } from '../support/app.js';
import { noting } from '../support/around.js';
import { quietEngine } from '../support/quiet-engine.js';
import { gate, turn } from '../support/gate.js';
import { probes, RequestScoped, worker } from '../support/probes.js';
import { heard } from '../support/run-time-schedules.js';
import { closing, turns, untilAborted } from '../support/running-tick.js';

afterEach(closeApps);

const down = new Error('down');

/** An application that records the reports of its ticks. */
async function start(options: TestAppOptions = {}) {
  const test = await startApp(options);
  return { ...test, ...heard(test) };
}

/** What a promise rejects with. */
const rejection = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => Promise.reject(new Error('It did not reject.')),
    (error: unknown) => error,
  );

describe('A standalone scope with a name', () => {
  const { journal, Probe } = probes();

  @RequestScoped()
  class Unit extends Probe {
    constructor(
      @InjectTick() readonly tick: Tick,
      @Inject(REQUEST) readonly request: unknown,
    ) {
      super();
    }
    onScopeCommit(): void {
      journal.note('committed Unit');
    }
    onScopeRollback(error: unknown): void {
      journal.note(`rolled back Unit: ${(error as Error).message}`);
    }
  }
  const providers = [Unit];
  afterEach(() => void (journal.lines.length = 0));

  it('[L6] is a tick: hooks, onOpen, events, a report, and its Tick for all that asks for it', async () => {
    const { scopes, events, finished, registry, log } = await start({
      providers,
      options: {
        around: [noting(journal.lines, 'hook')],
        onOpen: ({ schedule }) => journal.note(`onOpen ${schedule}`),
      },
    });
    events.on('tick:started', ({ schedule, trigger }) =>
      journal.note(`started ${schedule} ${trigger}`),
    );
    const seen: unknown[] = [];
    const value = await scopes.run(
      async function importAll(scope, tick) {
        const { tick: injected, request } = await scope.resolve(Unit);
        seen.push(currentTick(), injected, request);
        expect(seen).toEqual([tick, tick, tick]);
        expect(tick.scope).toBe(scope);
        expect(tick.attempt).toBe(1);
        expect(tick.signal.aborted).toBe(false);
        return tick.payload.file.length;
      },
      { name: 'import', payload: { file: 'a.csv' } },
    );

    expect(value).toBe(5);
    expect(journal.lines).toEqual([
      'started import manual',
      'hook begins',
      'onOpen import',
      'built Unit',
      'committed Unit',
      'disposed Unit',
      'hook sees 5',
    ]);
    expect(finished).toHaveLength(1);
    expect(finished[0]).toMatchObject({
      schedule: 'import',
      handler: 'importAll',
      trigger: 'manual',
      outcome: 'succeeded',
      attempts: 1,
      built: 1,
      disposed: 1,
      value: 5,
    });
    expect(log.of('error')).toEqual([]);
    expect(registry.stats()).toMatchObject({ openedScopes: 1, openScopes: 0, runningTicks: 0 });
    expect(currentTick()).toBeUndefined();
  });

  it('[L6] without a name it is not a tick: the neighbor has no hooks, no tick and no report', async () => {
    const { scopes, finished } = await start({
      providers,
      options: { around: [noting(journal.lines, 'hook')] },
    });
    const request = { file: 'a.csv' };
    await scopes.run(
      async (scope) => {
        expect((await scope.resolve(Unit)).request).toBe(request);
        expect(currentTick()).toBeUndefined();
      },
      { request },
    );

    expect(journal.lines).toEqual(['built Unit', 'committed Unit', 'disposed Unit']);
    expect(finished).toEqual([]);
  });

  it('[L6] does not become a schedule: the registry does not list it, and names may repeat, also at once', async () => {
    const { scopes, registry, finished } = await start();
    const both = gate();
    const begun: string[] = [];
    const run = (payload: string) =>
      scopes.run(
        async (_scope, tick) => {
          begun.push(tick.payload);
          await both.opened;
          return tick.id;
        },
        { name: 'import', payload },
      );
    const runs = Promise.all([run('a'), run('b')]);
    await turns();
    expect(begun).toEqual(['a', 'b']);
    expect(registry.list()).toEqual([]);
    expect(registry.has('import')).toBe(false);
    expect(registry.stats()).toMatchObject({ schedules: 0, runningTicks: 2 });
    both.open();
    const [one, other] = await runs;
    expect(one).not.toBe(other);
    expect(finished.map(({ tickId }) => tickId)).toEqual([one, other]);
  });

  it('[L6] with the name of a schedule does not count as a tick of it: cancel() leaves it alone, and it does not count as running', async () => {
    const held = gate();
    const { scopes, registry } = await start({ providers: [worker([])] });
    const run = scopes.run(
      async (_scope, { signal }) => {
        await held.opened;
        return signal.aborted;
      },
      { name: 'Worker.run' },
    );
    await turns();
    expect(registry.get('Worker.run')).toMatchObject({ running: 0, runningSince: undefined });
    expect(registry.cancel('Worker.run')).toBe(0);
    held.open();
    expect(await run).toBe(false);
    expect(registry.get('Worker.run').lastReport).toBeUndefined();
  });

  it('[L6] rejects with its error, and reports it as a failed tick', async () => {
    const { scopes, finished, log } = await start({ providers });
    const run = scopes.run(
      async (scope) => {
        await scope.resolve(Unit);
        throw down;
      },
      { name: 'import' },
    );

    expect(await rejection(run)).toBe(down);
    expect(journal.lines).toEqual(['built Unit', 'rolled back Unit: down', 'disposed Unit']);
    expect(finished).toMatchObject([
      { handler: 'function', outcome: 'failed', phase: 'handler', error: down },
    ]);
    expect(log.of('error')).toEqual([
      `import failed (${finished[0]!.tickId}, phase handler): down`,
    ]);
  });

  it.each<[string, TickReport['phase'], TestAppOptions['options']]>([
    [
      'onOpen',
      'open',
      {
        onOpen: () => {
          throw down;
        },
      },
    ],
    ['a hook before next()', 'open', { around: [() => Promise.reject(down)] }],
    [
      'a hook after next()',
      'around',
      { around: [(_tick, next) => next().then(() => Promise.reject(down))] },
    ],
  ])('[L6] rejects with the error of %s', async (_, phase, options) => {
    const { scopes, finished } = await start({ options: options! });

    expect(await rejection(scopes.run(() => 'value', { name: 'import' }))).toBe(down);
    expect(finished).toMatchObject([{ outcome: 'failed', phase }]);
  });

  it('[L6] [B30] rejects with the errors of the work and of disposal as one, that of the work first', async () => {
    const { scopes } = await start();
    const cleanup = new Error('cleanup');
    const run = (...errors: unknown[]) =>
      scopes.run(
        (scope) => {
          scope.defer(() => Promise.reject(cleanup));
          if (errors.length > 0) throw errors[0];
        },
        { name: 'import' },
      );

    expect(await rejection(run())).toBe(cleanup);
    expect(((await rejection(run(down))) as AggregateError).errors).toEqual([down, cleanup]);
  });

  it('[L6] times out, and rejects with TickTimeoutError', async () => {
    const { scopes, finished } = await start({ providers });
    const run = scopes.run(
      async (scope, tick) => {
        await scope.resolve(Unit);
        return untilAborted(tick);
      },
      { name: 'import', timeoutMs: 5 },
    );

    expect(await rejection(run)).toBeInstanceOf(TickTimeoutError);
    expect(finished).toMatchObject([{ outcome: 'timed-out', error: { timeoutMs: 5 } }]);
    expect(journal.lines.slice(1)).toEqual([
      expect.stringMatching(/^rolled back Unit: import ran longer/),
      'disposed Unit',
    ]);
  });

  describe('and a signal', () => {
    it('[L6] is cancelled by it, with its reason', async () => {
      const { scopes, finished, log } = await start();
      const controller = new AbortController();
      const begun = gate();
      const run = scopes.run(
        (_scope, tick) => {
          begun.open();
          return untilAborted(tick);
        },
        { name: 'import', signal: controller.signal },
      );
      await begun.opened;
      const reason = new Error('the client has gone');
      controller.abort(reason);

      expect(await rejection(run)).toBe(reason);
      expect(finished).toMatchObject([{ outcome: 'cancelled', reason: 'cancel' }]);
      expect(log.of('error')).toEqual([]);
    });

    it('[L6] that is aborted already, never calls the work', async () => {
      const { scopes, finished } = await start();
      const reason = new Error('gone');
      let calls = 0;
      const run = scopes.run(() => (calls += 1), {
        name: 'import',
        signal: AbortSignal.abort(reason),
      });

      expect(await rejection(run)).toBe(reason);
      expect(calls).toBe(0);
      expect(finished).toMatchObject([{ outcome: 'cancelled', phase: 'open' }]);
    });

    it('[L6] of a tick that has timed out, is cancelled, not timed out', async () => {
      const { scopes, registry, finished } = await start({
        providers: [
          worker(
            [],
            (tick) =>
              scopesOf().run((_scope, inner) => untilAborted(inner), {
                name: 'inner',
                signal: tick.signal,
              }),
            { timeoutMs: 5 },
          ),
        ],
      });
      const scopesOf = () => scopes;
      const report = await registry.run('Worker.run');

      expect(report.outcome).toBe('timed-out');
      expect(finished).toMatchObject([
        { schedule: 'inner', outcome: 'cancelled', reason: 'cancel', error: report.error },
        { schedule: 'Worker.run', outcome: 'timed-out' },
      ]);
    });

    it('[L6] is left alone when it ends before it is aborted; the signal keeps no listener', async () => {
      const { scopes } = await start();
      const controller = new AbortController();
      const { signal } = controller;
      let listeners = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => (
        (listeners += 1),
        add(...args)
      );
      signal.removeEventListener = (...args: Parameters<typeof remove>) => (
        (listeners -= 1),
        remove(...args)
      );
      for (let run = 0; run < 20; run += 1)
        expect(await scopes.run(() => run, { name: 'import', signal })).toBe(run);
      expect(listeners).toBe(0);
      controller.abort();
    });
  });

  it('[A2] inside a tick, it is a separate tick', async () => {
    const { scopes, registry } = await start({
      providers: [
        Unit,
        worker([Unit], async (outer) => {
          const inner = await scopesOf().run(
            async (scope, tick) => {
              expect((await scope.resolve(Unit)).tick).toBe(tick);
              return currentTick();
            },
            { name: 'inner' },
          );
          return [inner === outer, currentTick() === outer];
        }),
      ],
    });
    const scopesOf = () => scopes;

    expect((await registry.run('Worker.run')).value).toEqual([false, true]);
    expect(journal.of('disposed')).toEqual(['Unit', 'Unit']);
  });

  it('[A20] sees the AsyncLocalStorage of its caller, who sees nothing of what it enters', async () => {
    const { scopes } = await start();
    const store = new AsyncLocalStorage<string>();
    await store.run('caller', async () => {
      const seen = await scopes.run(
        () => {
          const before = store.getStore();
          store.enterWith('work');
          return before;
        },
        { name: 'import' },
      );
      expect([seen, store.getStore()]).toEqual(['caller', 'caller']);
    });
  });

  it('waits for an Observable, as for that of a handler', async () => {
    const { scopes } = await start();

    expect(await scopes.run(() => of(1, 2) as unknown, { name: 'import' })).toBe(2);
  });

  describe('when the application shuts down', () => {
    it('[L6] is waited for and named; its signal is aborted', async () => {
      const { scopes, app, next } = await start();
      const begun = gate<Tick>();
      const mayEnd = gate();
      const run = scopes.run(
        async (_scope, tick) => {
          begun.open(tick as Tick);
          await mayEnd.opened;
          return tick.signal.aborted;
        },
        { name: 'import' },
      );
      const tick = await begun.opened;
      const started = next('shutdown:started');
      const closed = closing({ app });
      expect((await started).waitingFor).toEqual([`import (${tick.id})`]);
      await turns();
      expect(closed.done).toBe(false);
      mayEnd.open();
      expect(await run).toBe(true);
      await closed.promise;
    });

    it('[L6] is cancelled when it ends with the abort, and rejects with it', async () => {
      const { scopes, app, finished } = await start();
      const begun = gate();
      const run = scopes.run(
        (_scope, tick) => {
          begun.open();
          return untilAborted(tick);
        },
        { name: 'import' },
      );
      const error = rejection(run);
      await begun.opened;
      await app.close();
      expect(await error).toMatchObject({ name: 'AbortError' });
      expect(finished).toMatchObject([{ outcome: 'cancelled', reason: 'shutdown' }]);
    });

    it('[L6] is named when it had to be abandoned', async () => {
      const { scopes, app, next } = await start({ options: { shutdownTimeoutMs: 10 } });
      const mayEnd = gate();
      const run = scopes.run(() => mayEnd.opened, { name: 'import' });
      const ended = next('shutdown:finished');
      await app.close();
      expect((await ended).abandoned).toEqual([expect.stringMatching(/^import \(tick-/)]);
      mayEnd.open();
      await run;
    });

    it('[D28] does not wait for itself when it closes the application', async () => {
      const { scopes, app, next } = await start();
      const ended = next('shutdown:finished');
      await scopes.run(() => app.close(), { name: 'import' });
      expect((await ended).abandoned).toEqual([]);
    });

    it('[L6] holds up no shutdown that had begun before it, unless running work began it', async () => {
      const { scopes, registry, app, next } = await start({
        options: { drainTimeoutMs: 10_000 },
        providers: [
          worker([], async () => {
            await mayBegin.opened;
            return scopesOf().run(() => mayEnd.opened, { name: 'of the tick' });
          }),
        ],
      });
      const scopesOf = () => scopes;
      const [mayBegin, mayEnd, never] = [gate(), gate(), gate()];
      const report = registry.run('Worker.run');
      await turn();
      const started = next('shutdown:started');
      const finished = next('shutdown:finished');
      const ended = next('shutdown:closed');
      const closed = closing({ app });
      await started;
      const late = scopes.run(() => never.opened, { name: 'of another library' });
      mayBegin.open();
      await turns();
      expect(closed.done).toBe(false);
      expect(registry.stats().runningTicks).toBe(3);
      mayEnd.open();
      expect((await report).outcome).toBe('succeeded');
      expect((await finished).abandoned).toEqual([]);
      expect(registry.stats().runningTicks).toBe(1);
      await turns();
      expect(closed.done).toBe(false); // the last step waits for it, after the shutdown hooks
      never.open();
      await Promise.all([late, closed.promise]);
      expect((await ended).abandoned).toEqual([]);
    });

    it.each([{ name: 'flush' }, {}])(
      '[L1] that a hook begins without awaiting it, is waited for, also when a handler closes the application: %j',
      async (options) => {
        const ended = gate();
        let begun: Promise<void> | undefined;
        @Injectable()
        class Buffer {
          constructor(private readonly scopes: ProviderScopeFactory) {}

          onModuleDestroy(): void {
            begun ??= this.scopes.run(() => ended.opened, options as { name: string }); // Nest 11 calls it again
          }
        }
        const lines: string[] = [];
        const { registry, next, ...test } = await start({
          providers: [
            worker([], async () => {
              await test.app.close();
              lines.push('closed');
            }),
            Buffer,
          ],
        });
        const closed = next('shutdown:closed');
        const report = registry.run('Worker.run');
        await next('shutdown:finished');
        await turns();
        expect(lines).toEqual([]);
        ended.open();
        expect((await report).outcome).toBe('succeeded');
        expect(await closed).toMatchObject({ abandoned: [] });
        expect(lines).toEqual(['closed']);
        await begun;
      },
    );

    it('[D6] that an abandoned tick begins, is named when the last hook has run', async () => {
      const [mayBegin, mayEnd] = [gate(), gate()];
      @Injectable()
      class Slow {
        async onModuleDestroy(): Promise<void> {
          mayBegin.open();
          await turns();
        }
      }
      const { registry, next, ...test } = await start({
        options: { shutdownTimeoutMs: 0 },
        providers: [
          worker([], async () => {
            await mayBegin.opened;
            await test.scopes.run(() => mayEnd.opened, { name: 'late work' });
          }),
          Slow,
        ],
      });
      const report = registry.run('Worker.run');
      await turn();
      const [finished, closed] = [next('shutdown:finished'), next('shutdown:closed')];
      await test.app.close();
      const tick = expect.stringMatching(/^Worker\.run \(/);
      expect(await finished).toMatchObject({ abandoned: [tick] });
      expect(await closed).toMatchObject({ abandoned: [expect.stringMatching(/^late work \(/)] });
      mayEnd.open();
      await report;
    });

    it('[L1] with and without a name, work that begins while the engine stops does not hold up the drain', async () => {
      const [stopping, stopped, end] = [gate(), gate(), gate()];
      const engine = quietEngine(() => undefined);
      engine.stop = async () => {
        stopping.open();
        await stopped.opened;
      };
      const { scopes, app, next } = await start({ options: { engine } });
      const finished = next('shutdown:finished');
      const closed = closing({ app });
      await stopping.opened;
      const late = [scopes.run(() => end.opened), scopes.run(() => end.opened, { name: 'late' })];
      stopped.open();
      expect(await finished).toMatchObject({ abandoned: [] });
      end.open();
      await Promise.all([...late, closed.promise]);
    });

    it('[L1] opens until the last shutdown hook of the application has run, builds, and is not aborted', async () => {
      const outcomes: unknown[] = [];
      @Injectable()
      class Consumer {
        constructor(private readonly scopes: ProviderScopeFactory) {}

        async onApplicationShutdown(): Promise<void> {
          if (outcomes.length > 0) return; // Nest 11 calls it again when the application is closed again
          const value = await this.scopes.run(
            async (scope, tick) => {
              await scope.resolve(Unit);
              return tick.signal.aborted;
            },
            { name: 'late job' },
          );
          outcomes.push(value);
        }
      }
      const { scopes, app } = await start({ providers: [Unit, Consumer] });
      await app.close();
      expect(outcomes).toEqual([false]);
      expect(journal.lines).toEqual(['built Unit', 'committed Unit', 'disposed Unit']);
      await expect(scopes.run(() => 1, { name: 'too late' })).rejects.toThrow(
        'Cannot open a scope: the last shutdown hook of the application has run.',
      );
    });
  });

  describe('with options that cannot work', () => {
    const work = (): string => 'value';
    it.each<[string, unknown[], string]>([
      ['no function', [undefined, { name: 'a' }], 'work must be a function, not undefined.'],
      [
        'a text',
        [work, 'import'],
        'options must be an object such as { name } or { request }, not "import".',
      ],
      [
        'null',
        [work, null],
        'options must be an object such as { name } or { request }, not null.',
      ],
      [
        'an array',
        [work, ['import']],
        'options must be an object such as { name } or { request }, not an array.',
      ],
      [
        'an unknown option',
        [work, { name: 'a', timeout: 5 }],
        "timeout isn't an option; use timeoutMs instead.",
      ],
      [
        'an unknown option without a name',
        [work, { overlapKey: 'a' }],
        "overlapKey isn't an option; the options are name, signal, timeoutMs, payload, request.",
      ],
      ['an empty name', [work, { name: ' ' }], 'name must not be empty.'],
      ['a number as name', [work, { name: 7 }], 'name must be a string, not 7.'],
      [
        'no time',
        [work, { name: 'a', timeoutMs: 0 }],
        'timeoutMs must be a number of milliseconds from 1 to 2147483647 (24.8 days), not 0.',
      ],
      [
        'a controller',
        [work, { name: 'a', signal: new AbortController() }],
        'signal must be an AbortSignal, not an object.',
      ],
      [
        'a timeout without a name',
        [work, { timeoutMs: 5 }],
        'timeoutMs requires a name, because only a tick has this option. Add name.',
      ],
      [
        'a request beside a name',
        [work, { name: 'a', request: {} }],
        'request cannot be combined with the name option, because in a tick, REQUEST is the tick. Use payload.',
      ],
    ])('[C13] is refused in one sentence: %s', async (_, args, text) => {
      const { scopes, registry } = await start();
      const error = await rejection(scopes.run(...(args as [() => string, { name: string }])));

      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect((error as Error).message).toBe(`ProviderScopeFactory.run(): ${text}`);
      expect(registry.stats().openedScopes).toBe(0);
    });

    it('[C13] the neighbors are accepted', async () => {
      const { scopes } = await start();
      expect(await scopes.run(work)).toBe('value');
      expect(await scopes.run(work, { request: 1 })).toBe('value');
      const withoutValue = { timeout: undefined } as object;
      expect(await scopes.run(work, withoutValue)).toBe('value');
      expect(
        await scopes.run(work, {
          name: 'a',
          timeoutMs: 2_147_483_647,
          signal: new AbortController().signal,
          payload: null,
        }),
      ).toBe('value');
    });
  });
});
