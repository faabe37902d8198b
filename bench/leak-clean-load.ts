/**
 * Question: does leak detection report anything for ticks that leave nothing behind?
 *
 * Variables: an hour of ticks of ten schedules that are due every second (36,000 ticks), run one after the other without a pause.
 * Every tenth comes with a standalone scope. One in three fails: in a constructor, in the handler, or in a disposer. `graceMs: 0`.
 * Full garbage collections come every 500 ticks, and a few at the end. Baseline: the same load with one object
 * in a thousand kept in an array, which must be reported.
 */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Module, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ProviderScopeFactory,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerEvents,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type LeakFound,
} from 'nestjs-scoped-worker';
import { collectGarbage, many, printMachine } from './support.js';

const TICKS = many(36_000, 2_000);
const SCHEDULES = 10;

let count = 0;
let keepsOneIn = 0;
const kept: object[] = [];

@Injectable({ scope: Scope.REQUEST })
class Connection {
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    if (count % 9 === 0) throw new Error('the disposer fails');
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class Cursor {
  readonly connection: Connection;
  constructor(connection: Connection) {
    this.connection = connection;
    if (count % 9 === 3) throw new Error('the constructor fails');
  }
  onModuleDestroy(): void {}
}
Reflect.defineMetadata('design:paramtypes', [Connection], Cursor);

class Worker {
  readonly cursor: Cursor;
  constructor(cursor: Cursor) {
    this.cursor = cursor;
  }
  run(): void {
    if (keepsOneIn > 0 && count % keepsOneIn === 1) kept.push(this.cursor);
    if (count % 9 === 6) throw new Error('the handler fails');
  }
}
ScopedWorker()(Worker);
Reflect.defineMetadata('design:paramtypes', [Cursor], Worker);
for (let index = 0; index < SCHEDULES; index += 1) {
  const run = Object.getOwnPropertyDescriptor(Worker.prototype, 'run')!;
  ScopedInterval(3_600_000, { name: `schedule ${index}` })(Worker.prototype, 'run', run);
}

class BenchModule {}
Module({
  imports: [ScopedWorkerModule.forRoot({ leakDetection: { graceMs: 0 } })],
  providers: [Connection, Cursor, Worker],
})(BenchModule);

const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
const registry = app.get(ScopedWorkerRegistry);
const scopes = app.get(ProviderScopeFactory);
const found: LeakFound[] = [];
app.get(ScopedWorkerEvents).on('leak:found', (leak) => void found.push(leak));

async function load(): Promise<void> {
  for (let tick = 0; tick < TICKS; tick += 1) {
    count += 1;
    await registry.run(`schedule ${tick % SCHEDULES}`);
    if (tick % 10 === 0) {
      const scope = await scopes.open();
      await scope.resolve(Cursor).catch(() => undefined); // one in three fails
      await scope.complete().catch(() => undefined);
    }
    if (tick % 500 === 499) await collect();
  }
  for (let round = 0; round < 8; round += 1) await collect();
}

/** Waits for the leak detection, which learns of a collection in a separate job and looks once there were enough. */
async function collect(): Promise<void> {
  await sleep(1);
  collectGarbage();
  await sleep(1);
}

printMachine();
const startedAt = performance.now();
await load();
const seconds = (performance.now() - startedAt) / 1_000;
console.log(`${TICKS} clean ticks in ${seconds.toFixed(0)} s: ${found.length} reports`);
keepsOneIn = 1_000;
await load();
console.log(`the same with one in 1,000 kept: ${found.length} reports`);
for (const { className, count: alive, schedule } of found.slice(0, 3))
  console.log(`  ${alive} ${className} of ${schedule}`);
await app.close();
if (kept.length === 0) throw new Error('nothing was kept');
