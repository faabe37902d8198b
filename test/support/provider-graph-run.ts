import { AsyncResource } from 'node:async_hooks';
import { jest } from '@jest/globals';
import { Scope } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import fc from 'fast-check';
import type { ScopedWorkerStats, Tick, TickReport } from '../../lib/index.js';
import { compileApp } from './app.js';
import { turn } from './gate.js';
import { worker } from './probes.js';
import {
  GraphLog,
  nodePlan,
  providersOf,
  runningTick,
  tokenOf,
  type NodePlan,
} from './provider-graph.js';

type Resolving =
  'resolve' | 'resolve and go on' | 'resolve by ModuleRef' | 'resolve by ModuleRef and go on';

type Step =
  | { readonly does: Resolving; readonly node: number }
  | { readonly does: 'wait' | 'defer' | 'defer a failure' | 'wait for' | 'throw' };

/** A random application, what its handler does, and what happens from outside while ticks run. */
interface GraphPlan {
  readonly nodes: readonly NodePlan[];
  readonly injected: readonly number[];
  readonly handler: readonly Step[];
  readonly ticks: number;
  readonly abort: 'none' | 'cancel' | 'timeout' | 'shutdown';
  /** The step of the whole application at which it is aborted. */
  readonly abortAt: number;
  readonly heedsSignal: boolean;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    does: fc.constantFrom<Resolving>(
      'resolve',
      'resolve and go on',
      'resolve by ModuleRef',
      'resolve by ModuleRef and go on',
    ),
    node: fc.nat(20),
  }),
  fc.record({
    does: fc.constantFrom('wait', 'defer', 'defer a failure', 'wait for', 'throw'),
  }),
);

/** fast-check prints the seed and the smallest graph that fails; `fc.assert` of it with that `seed` and `path` runs it again. */
export function anyGraphIsDisposed(): Promise<void> {
  return fc.assert(
    fc.asyncProperty(graphPlan, async (plan) => checkGraph(await runGraph(plan))),
    {
      numRuns: Number(process.env['GRAPH_RUNS'] ?? 400),
      timeout: 10_000,
      examples: KNOWN.map((plan): [GraphPlan] => [plan]),
    },
  );
}

/** Graphs that once failed. */
const KNOWN: readonly GraphPlan[] = [
  // The factory begins to build when the work has settled and its outcome is not decided yet.
  {
    nodes: [0, 1].map((node) => ({
      kind: node === 0 ? 'class' : 'factory',
      scope: Scope.REQUEST,
      dependencies: node === 0 ? [] : [0],
      byProperty: false,
      disposer: 'asyncDispose',
      buildTurns: node,
      disposeTurns: 0,
      fault: 'none',
    })),
    injected: [],
    handler: [
      { does: 'resolve by ModuleRef and go on', node: 1 },
      { does: 'defer a failure' },
      { does: 'resolve and go on', node: 0 },
    ],
    ticks: 1,
    abort: 'none',
    abortAt: 0,
    heedsSignal: false,
  },
];

const graphPlan: fc.Arbitrary<GraphPlan> = fc.record({
  nodes: fc.array(nodePlan, { minLength: 1, maxLength: 9, size: 'max' }),
  injected: fc.array(fc.nat(20), { maxLength: 4, size: 'max' }),
  handler: fc.array(step, { maxLength: 5, size: 'max' }),
  ticks: fc.integer({ min: 1, max: 3 }),
  abort: fc.constantFrom('none', 'cancel', 'timeout', 'shutdown'),
  abortAt: fc.nat(40),
  heedsSignal: fc.boolean(),
});

/** What is left of a run for the check. */
interface GraphOutcome {
  readonly log: GraphLog;
  readonly reports: readonly TickReport[];
  readonly stats: ScopedWorkerStats;
  /** Things deferred by handlers, and how many of them were run. */
  readonly deferred: { asked: number; run: number };
}

const TIMEOUT_MS = 1_000;

/** Runs the ticks of a random application to their end, then closes it. */
async function runGraph(plan: GraphPlan): Promise<GraphOutcome> {
  const log = new GraphLog();
  const deferred = { asked: 0, run: 0 };
  const at = (node: number): string => tokenOf(node % plan.nodes.length);

  const handle = async (tick: Tick, moduleRef: ModuleRef): Promise<void> => {
    const tokens = { strict: false };
    for (const action of plan.handler) {
      log.step();
      if (plan.heedsSignal) tick.signal.throwIfAborted();
      const { scope } = tick;
      if (action.does === 'resolve') await scope.resolve(at(action.node));
      if (action.does === 'resolve by ModuleRef')
        await moduleRef.resolve(at(action.node), scope.contextId, tokens);
      if (action.does === 'resolve by ModuleRef and go on')
        moduleRef.resolve(at(action.node), scope.contextId, tokens).catch(() => undefined);
      if (action.does === 'resolve and go on')
        scope.resolve(at(action.node)).catch(() => undefined);
      if (action.does === 'wait') await turn();
      if (action.does === 'wait for') scope.waitFor(turn().then(() => log.step()));
      if (action.does === 'throw') throw new Error('handler down');
      if (action.does === 'defer' || action.does === 'defer a failure') {
        deferred.asked += 1;
        scope.defer(async () => {
          deferred.run += 1;
          await turn();
          if (action.does === 'defer a failure') throw new Error('cannot clean up');
        });
      }
    }
  };
  const handler = async (tick: Tick, moduleRef: ModuleRef): Promise<void> => {
    const running = runningTick.getStore()!;
    log.inHandler.add(running);
    await handle(tick, moduleRef).finally(() => log.inHandler.delete(running));
  };

  // Only the clock of timeouts is fake: it moves when the plan says so, and turns of the event loop are real.
  jest.useFakeTimers({
    doNotFake: [
      'setImmediate',
      'clearImmediate',
      'nextTick',
      'queueMicrotask',
      'performance',
      'Date',
    ],
  });
  try {
    const { app, registry } = await compileApp({
      options: {
        disposeTimeoutMs: 1_000_000,
        shutdownTimeoutMs: 1_000_000,
        scopeValidation: 'off',
      },
      providers: [
        worker([ModuleRef, ...plan.injected.map(at)], handler, { timeoutMs: TIMEOUT_MS }),
        ...providersOf(plan.nodes, log),
      ],
    });
    await app.init();
    log.isStarted = true;
    let closing: Promise<void> | undefined;
    // Outside of the tick at whose step it happens: a tick that closes the application itself is not waited for.
    const abort = AsyncResource.bind(() => {
      if (plan.abort === 'cancel') registry.cancel('Worker.run');
      if (plan.abort === 'timeout') jest.advanceTimersByTime(TIMEOUT_MS);
      if (plan.abort === 'shutdown') closing = app.close();
    });
    const abortAt = log.time + plan.abortAt;
    log.onStep = (time) => void (time === abortAt && abort());
    const reports = await Promise.all(
      Array.from({ length: plan.ticks }, (_, index) =>
        runningTick.run(index, () => registry.run('Worker.run')),
      ),
    );
    checkStatics(log, closing !== undefined);
    const stats = registry.stats();
    log.onStep = () => undefined;
    await (closing ?? app.close());
    return { log, reports, stats, deferred };
  } finally {
    jest.useRealTimers();
  }
}

/** Throws with everything that the promise forbids and that has happened. */
function checkGraph({ log, reports, stats, deferred }: GraphOutcome): void {
  const { complaints, owned } = log;
  for (const made of owned) {
    if (made.disposals !== 1)
      complaints.push(`node ${made.node} was disposed ${made.disposals} times`);
    for (const dependency of made.dependencies.filter((other) => owned.includes(other))) {
      if (!(made.disposeEndedAt! < dependency.disposedAt!))
        complaints.push(`node ${dependency.node} was disposed before its dependent ${made.node}`);
    }
  }
  const disposed = reports.reduce((sum, report) => sum + report.disposed, 0);
  if (disposed !== owned.length) complaints.push(`the reports say ${disposed} of ${owned.length}`);
  if (deferred.run !== deferred.asked)
    complaints.push(`${deferred.run} of ${deferred.asked} cleanups were run`);
  const { openScopes, openedScopes, closedScopes, runningTicks } = stats;
  if (openScopes !== 0 || openedScopes !== closedScopes || runningTicks !== 0)
    complaints.push(`left behind: ${JSON.stringify(stats)}`);
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
}

/** While the application lives, nothing of what start-up made is disposed. */
function checkStatics(log: GraphLog, isClosing: boolean): void {
  if (isClosing) return;
  for (const { node } of log.made.filter((made) => made.isStatic && made.disposals > 0))
    log.complaints.push(`node ${node}, made at start-up, was disposed by a tick`);
}
