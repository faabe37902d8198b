/**
 * Question: does the heap grow with the number of ticks?
 *
 * Variables: 200,000 ticks of one worker with six request-scoped providers, two of them disposable, one tick in ten
 * failing. Baseline: the heap after the first 20,000 ticks and a garbage collection.
 */
import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
} from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { collectGarbage, many, printMachine } from './support.js';

const WARM_UP = many(20_000, 100);
const TICKS = many(200_000, 100);

let ticks = 0;
class Worker {
  readonly graph: object;
  constructor(graph: object) {
    this.graph = graph;
  }
  run(): void {
    ticks += 1;
    if (ticks % 10 === 0) throw new Error('one in ten');
  }
}
const graph = providerGraph(6);
ScopedWorker()(Worker);
ScopedInterval(3_600_000)(
  Worker.prototype,
  'run',
  Object.getOwnPropertyDescriptor(Worker.prototype, 'run')!,
);
Reflect.defineMetadata('design:paramtypes', [graph.root], Worker);
class BenchModule {}
Module({
  imports: [ScopedWorkerModule.forRoot()],
  providers: [...graph.providers, Worker as Type],
})(BenchModule);

const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
const registry = app.get(ScopedWorkerRegistry);

async function run(count: number): Promise<number> {
  for (let tick = 0; tick < count; tick += 1) await registry.run('Worker.run');
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

printMachine();
const before = await run(WARM_UP);
const startedAt = performance.now();
const after = await run(TICKS);
const microseconds = ((performance.now() - startedAt) * 1_000) / TICKS;
const { openedScopes, closedScopes } = registry.stats();
console.log(`${TICKS} ticks, ${microseconds.toFixed(1)} us each`);
console.log(
  `heap after ${WARM_UP} ticks: ${(before / 1e6).toFixed(2)} MB, after ${TICKS} more: ${(after / 1e6).toFixed(2)} MB`,
);
console.log(
  `growth: ${((after - before) / 1e6).toFixed(2)} MB; scopes opened ${openedScopes}, closed ${closedScopes}`,
);
await app.close();
