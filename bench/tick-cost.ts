/**
 * Question: what does a tick cost, and how soon after its due time does a handler start?
 *
 * Variables, first: `registry.run()` from call to report, for workers that inject graphs of 0, 1, 6 and 20 request-scoped providers, of
 * which none or all have a disposer; built by plans, or by Nest. Baselines: new instances, a call to the same handler and an empty report
 * inside one `AsyncLocalStorage`, which is the least that a tick can cost; and a call to the same handler of one instance. In one process, in
 * turns; medians of the rounds.
 *
 * Second: the time from a full second to the call of the handler of a cron that is due every second. Baseline: `@Cron()` of
 * `@nestjs/schedule` on a singleton. Both in one application.
 */
import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
} from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { many, median, percentile, printMachine, timeBatch } from './support.js';

const ROUNDS = many(31);
const CALLS = many(500, 5);
const SECONDS = many(60, 1);
const HOUR_MS = 3_600_000;

interface Contender {
  readonly work: () => unknown;
  close?(): Promise<void>;
}

printMachine();
console.log('\nregistry.run(), microseconds per tick');
console.log(
  ['', 'compiled', 'by Nest', 'bare calls', 'plain call'].map((cell) => cell.padStart(24)).join(''),
);
for (const disposable of [0, 1]) {
  for (const size of disposable === 0 ? [0, 1, 6, 20] : [1, 6, 20]) {
    const contenders = [
      await ticking(size, disposable, 'compiled'),
      await ticking(size, disposable, 'nest'),
      bareCalls(size, disposable),
      plain(size, disposable),
    ];
    const times = contenders.map((): number[] => []);
    for (let round = -3; round < ROUNDS; round += 1)
      for (const [at, { work }] of contenders.entries()) {
        const us = await timeBatch(CALLS, work);
        if (round >= 0) times[at]!.push(us); // the first rounds warm up
      }
    const label = `${size} providers, ${disposable === 0 ? 'no' : size} disposers`;
    const cells = times.map((each) => median(each).toFixed(2));
    console.log([label, ...cells].map((cell) => cell.padStart(24)).join(''));
    for (const { close } of contenders) await close?.();
  }
}
await printLateness();

/** Creates a worker class; with a size of 0, it injects nothing. */
function workerOf(size: number, disposable: number) {
  const { root, providers, classes, construct } = providerGraph(Math.max(size, 1), disposable);
  class Worker {
    readonly graph: object | undefined;
    constructor(graph?: object) {
      this.graph = graph;
    }
    async handle(): Promise<void> {}
  }
  Reflect.defineMetadata('design:paramtypes', size === 0 ? [] : [root], Worker);
  return { Worker: Worker as Type<{ handle(): Promise<void> }>, providers, classes, construct };
}

async function ticking(
  size: number,
  disposable: number,
  resolution: 'compiled' | 'nest',
): Promise<Contender> {
  const { Worker, providers } = workerOf(size, disposable);
  ScopedWorker()(Worker);
  decorate(ScopedInterval(HOUR_MS, { name: 'tick' }), Worker, 'handle');
  class BenchModule {}
  Module({
    imports: [ScopedWorkerModule.forRoot({ resolution })],
    providers: [...providers, Worker],
  })(BenchModule);
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
  const registry = app.get(ScopedWorkerRegistry);
  return { work: () => registry.run('tick'), close: () => app.close() };
}

function bareCalls(size: number, disposable: number): Contender {
  const { Worker, classes, construct } = workerOf(size, disposable);
  const storage = new AsyncLocalStorage();
  const run = async (): Promise<object> => {
    const began = performance.now();
    await storage.run({}, async () => {
      const root = size === 0 ? undefined : construct();
      await new Worker(root).handle();
      for (const { prototype } of classes)
        (prototype as { onModuleDestroy?(): void }).onModuleDestroy?.();
    });
    return { outcome: 'succeeded', durationMs: performance.now() - began };
  };
  return { work: run };
}

function plain(size: number, disposable: number): Contender {
  const { Worker, construct } = workerOf(size, disposable);
  const worker = new Worker(size === 0 ? undefined : construct());
  return { work: () => worker.handle() };
}

function decorate(decorator: MethodDecorator, { prototype }: Type, method: string): void {
  decorator(prototype as object, method, Object.getOwnPropertyDescriptor(prototype, method)!);
}

async function printLateness(): Promise<void> {
  const late = { ours: [] as number[], nests: [] as number[] };
  const { providers, Worker: Scoped } = workerOf(6, 1);
  Object.assign(Scoped.prototype as object, {
    handle: () => late.ours.push(sinceSecond()),
  });
  ScopedWorker()(Scoped);
  decorate(ScopedCron('* * * * * *'), Scoped, 'handle');
  class Singleton {
    handle(): void {
      late.nests.push(sinceSecond());
    }
  }
  decorate(Cron('* * * * * *'), Singleton, 'handle');
  class BenchModule {}
  Module({
    imports: [ScheduleModule.forRoot(), ScopedWorkerModule.forRoot()],
    providers: [...providers, Scoped, Singleton],
  })(BenchModule);
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
  await sleep(SECONDS * 1_000 + 500);
  await app.close();
  console.log(`\nfrom a full second to the call of the handler, ${SECONDS} s, milliseconds`);
  console.table(
    Object.entries(late).map(([whose, ms]) => ({
      cron: whose === 'ours' ? '@ScopedCron, six providers' : '@Cron, singleton',
      runs: ms.length,
      p50: percentile(ms, 0.5)?.toFixed(2),
      p99: percentile(ms, 0.99)?.toFixed(2),
    })),
  );
}

function sinceSecond(): number {
  return (performance.timeOrigin + performance.now()) % 1_000;
}
