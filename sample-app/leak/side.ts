import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ScopedWorkerEvents,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type LeakFound,
} from 'nestjs-scoped-worker';
import { ImportJob } from './import.job.js';
import { Connections, NaiveImport } from './naive.worker.js';
import { ScopedImport } from './scoped.worker.js';
import { UnitOfWork } from './unit-of-work.js';

/** A message from one side to the main process. */
export type SideNotice =
  | { readonly kind: 'heap'; readonly heapMb: number; readonly ticks: number }
  | { readonly kind: 'leak'; readonly leak: LeakFound };

const WORKERS: Readonly<Record<string, Type[]>> = {
  naive: [NaiveImport, Connections],
  scoped: [ScopedImport],
};

/** One application with one of the two workers, in its own process and so with its own heap. */
const [, , side = ''] = process.argv;

@Module({
  imports: [ScopedWorkerModule.forRoot({ leakDetection: { graceMs: 2_000 } })],
  providers: [ImportJob, UnitOfWork, ...(WORKERS[side] ?? [])],
})
class SideModule {}

const app = await NestFactory.createApplicationContext(SideModule, { logger: ['error'] });
// The main process may just have closed the channel. Without the callback, that error would end this process.
const tell = (notice: SideNotice): void =>
  void process.send?.(notice, undefined, undefined, () => undefined);

app.get(ScopedWorkerEvents).on('leak:found', (leak) => tell({ kind: 'leak', leak }));
const registry = app.get(ScopedWorkerRegistry);
setInterval(() => {
  const heapMb = process.memoryUsage().heapUsed / 1024 ** 2;
  tell({ kind: 'heap', heapMb, ticks: registry.stats().closedScopes });
}, 250);
// Ctrl-C reaches the whole process group, but the parent decides when to stop.
process.on('SIGINT', () => undefined);
process.once('disconnect', () => void app.close().then(() => process.exit()));
