/**
 * Questions: does memory grow with the number of ticks? How much memory does an open scope need?
 *
 * Variables: 10,000,000 ticks of one worker with six request-scoped providers, one of them disposable, one tick in ten
 * failing; then 10,000 scopes that stay open, each with the six providers. Baselines: the heap and the resident set after the first
 * 100,000 ticks; the heap without these scopes, and with the six objects made by `new`.
 */
import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ProviderScopeFactory,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type OpenedScope,
} from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { collectGarbage, many, printMachine } from './support.js';

const WARM_UP = many(100_000, 100);
const STEPS = 10;
const TICKS_OF_STEP = many(1_000_000, 100);
const OPEN_SCOPES = many(10_000, 10);

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
const scopes = app.get(ProviderScopeFactory);

async function settle(): Promise<NodeJS.MemoryUsage> {
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  return process.memoryUsage();
}

async function run(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick += 1) await registry.run('Worker.run');
  const { heapUsed, rss } = await settle();
  console.log(
    `${String(ticks).padStart(8)} ticks: heap ${(heapUsed / 1e6).toFixed(2)} MB, resident set ${(rss / 1e6).toFixed(1)} MB`,
  );
}

/** Returns the number of bytes by which the heap grows for each object that `make` returns. */
async function bytesOfEach(make: () => unknown): Promise<number> {
  const made = Array.from({ length: OPEN_SCOPES }, () => undefined as unknown);
  const { heapUsed: before } = await settle();
  for (let index = 0; index < OPEN_SCOPES; index += 1) made[index] = await make();
  const { heapUsed: after } = await settle();
  made.length = 0;
  return (after - before) / OPEN_SCOPES;
}

printMachine();
await run(WARM_UP);
for (let step = 0; step < STEPS; step += 1) await run(TICKS_OF_STEP);
const { openedScopes, closedScopes } = registry.stats();
console.log(`scopes opened ${openedScopes}, closed ${closedScopes}`);

const open: OpenedScope[] = [];
const ofScope = await bytesOfEach(async () => {
  const scope = await scopes.open();
  open.push(scope);
  return scope.resolve(graph.root);
});
const ofObjects = await bytesOfEach(() => graph.construct());
console.log(
  `an open scope: ${ofScope.toFixed(0)} bytes with its six instances, which alone need ${ofObjects.toFixed(0)}`,
);
for (const scope of open) await scope.complete();
await app.close();
