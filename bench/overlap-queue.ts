/**
 * Question: does a tick take its turn in a long queue as quickly as in a short one?
 *
 * Variables: 1,000, 5,000 and 10,000 ticks that wait at once for one schedule with `maxConcurrency: 1`, and as many calls of
 * `registry.exclusive()`. The work itself does nothing. Baseline: a queue of 1,000.
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
import { many, isQuick, median, printMachine } from './support.js';

const LENGTHS = isQuick ? [100] : [1_000, 5_000, 10_000];
const ROUNDS = many(5);

class Worker {
  run(): void {}
}
ScopedWorker()(Worker);
ScopedInterval(3_600_000, { overlap: 'allow', maxConcurrency: 1 })(
  Worker.prototype,
  'run',
  Object.getOwnPropertyDescriptor(Worker.prototype, 'run')!,
);
class BenchModule {}
Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Worker as Type] })(BenchModule);

const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
const registry = app.get(ScopedWorkerRegistry);

/** Returns the microseconds of each. */
async function wait(count: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: count }, work));
  return ((performance.now() - startedAt) * 1_000) / count;
}

printMachine();
console.log('waiting   tick us   exclusive us');
for (const count of LENGTHS) {
  const ticks: number[] = [];
  const locks: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ticks.push(await wait(count, () => registry.run('Worker.run')));
    locks.push(await wait(count, () => registry.exclusive('key', () => undefined)));
  }
  console.log(
    `${String(count).padStart(7)} ${median(ticks).toFixed(0).padStart(9)} ${median(locks).toFixed(0).padStart(14)}`,
  );
}
await app.close();
