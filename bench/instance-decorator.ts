/**
 * Question: how much does Nest Observe, which decorates every instance, add to the cost of a scope?
 *
 * Variables: no decorator; Observe's, without an open trace (as in a tick); the same inside a trace (as in a job of a queue
 * that calls `ProviderScopeFactory.run()`). The work: a scope with a graph of 6 request-scoped providers, as a tick and by
 * hand. Baseline: `ModuleRef.resolve` of the same graph in the same application, which shows the cost of Observe for the providers
 * themselves. All in one process, in turns; medians of the rounds. The number of spans is that of one scope.
 */
import 'reflect-metadata';
import { Inject, Module, type DynamicModule } from '@nestjs/common';
import { ContextIdFactory, ModuleRef, ModulesContainer, NestFactory } from '@nestjs/core';
import { createObserveModule } from '@nestjs/observe';
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  ProviderScopeFactory,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
} from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { many, median, printMachine, timeBatch } from './support.js';

const ROUNDS = many(41);
const CALLS = many(200, 100);

/** The part of Observe's trace registry that opens a trace and drops it. */
interface Traces {
  startTrace(id: string, data: object): void;
  abandonTrace(id: string): void;
  readonly traceSnapshots: Map<string, { readonly refsCounter: number }>;
}

const graph = providerGraph(6);

@ScopedWorker()
class Job {
  constructor(@Inject(graph.root) readonly root: object) {}

  @ScopedInterval(3_600_000, { disabled: true })
  run(): void {}
}

@Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Job, ...graph.providers] })
class JobsModule {}

const { ObserveModule, ObserveInstrument } = createObserveModule();
const account = { appKey: 'key', appSecret: 'secret', serviceId: 'bench' };
const observe: DynamicModule = ObserveModule.forRoot({
  ...account,
  endpoint: 'http://127.0.0.1:9',
  flushInterval: 3_600_000,
} as never);

@Module({ imports: [JobsModule] })
class PlainModule {}

@Module({ imports: [JobsModule, observe] })
class ObservedModule {}

const plain = await NestFactory.createApplicationContext(PlainModule, { logger: false });
const observed = await NestFactory.createApplicationContext(ObservedModule, {
  logger: false,
  instrument: ObserveInstrument!,
});

function worksOf(app: typeof plain): (() => unknown)[] {
  const registry = app.get(ScopedWorkerRegistry);
  const scopes = app.get(ProviderScopeFactory);
  const moduleRef = app.select(JobsModule).get(ModuleRef, { strict: true });
  return [
    () => registry.run('Job.run'),
    () => scopes.run((scope) => scope.resolve(graph.root)),
    () => moduleRef.resolve(graph.root, ContextIdFactory.create(), { strict: false }),
  ];
}

const store = observed.get(AsyncLocalStorage, { strict: false });
const traces = [...observed.get(ModulesContainer).values()]
  .flatMap(({ providers }) => [...providers.values()])
  .find(
    ({ name }) =>
      (name as { name?: string }).name === 'OperationTraceRegistry' ||
      name === 'OperationTraceRegistry',
  )!.instance as unknown as Traces;
let spans = 0;
let lastTrace = 0;

/** Runs the same work inside a trace that is dropped afterwards. */
function traced(work: () => unknown): () => Promise<void> {
  return async () => {
    const id = `trace-${(lastTrace += 1)}`;
    traces.startTrace(id, {});
    await store.run(new Map([['traceId', id]]), work);
    spans = traces.traceSnapshots.get(id)!.refsCounter;
    traces.abandonTrace(id);
  };
}

const variants = [worksOf(plain), worksOf(observed), worksOf(observed).map(traced)];
const spansOf: number[] = [];
for (const work of variants[2]!) {
  await work();
  spansOf.push(spans);
}

const rounds: number[][][] = [];
for (let round = -3; round < ROUNDS; round += 1) {
  const measured: number[][] = [];
  for (const works of variants) {
    const row: number[] = [];
    for (const work of works) row.push(await timeBatch(CALLS, work));
    measured.push(row);
  }
  if (round >= 0) rounds.push(measured); // the first ones warm up
}

printMachine();
console.log('us (/ none)            tick             by hand        Nest resolve');
for (const [index, name] of ['none', 'observe', 'observe, traced'].entries()) {
  const cells = [0, 1, 2].map((work) => {
    const us = median(rounds.map((round) => round[index]![work]!));
    const ratio = median(rounds.map((round) => round[index]![work]! / round[0]![work]!));
    return `${us.toFixed(1)} (${ratio.toFixed(2)})`.padStart(17);
  });
  console.log(`${name.padEnd(16)} ${cells.join('   ')}`);
}
console.log(`spans            ${spansOf.map((count) => String(count).padStart(17)).join('   ')}`);
await plain.close();
await observed.close();
