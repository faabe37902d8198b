/**
 * Question: what do 10,000 schedules cost?
 *
 * Variables: crons that are due once a minute, spread over its seconds, and intervals of a minute; with this library and with
 * `@nestjs/schedule`. Each handler is an empty function. Reports the time to add them, the heap that they keep, the share of one
 * core while they run, and how late they fire. Baseline: the same application before the schedules are added.
 */
import 'reflect-metadata';
import { Module, type INestApplicationContext, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScopedWorkerModule, ScopedWorkerRegistry } from 'nestjs-scoped-worker';
import { collectGarbage, many, percentile, printMachine } from './support.js';

const COUNT = many(10_000, 100);
const SECONDS = many(120);
const MINUTE_MS = 60_000;

class Ours {}
Module({ imports: [ScopedWorkerModule.forRoot()] })(Ours);
class Both {}
Module({ imports: [ScheduleModule.forRoot(), ScopedWorkerModule.forRoot()] })(Both);
class Nests {}
Module({ imports: [ScheduleModule.forRoot()] })(Nests);

type Late = (ms: number) => void;
type Add = (app: INestApplicationContext, index: number, late: Late) => unknown;

const expression = (index: number): string => `${index % 60} * * * * *`;
const sinceSecond = (): number => Date.now() % 1_000;

const addCron: Add = (app, index, late) =>
  app.get(ScopedWorkerRegistry).add({
    name: `job ${index}`,
    cron: expression(index),
    handler: (tick) => late(Date.now() - tick.scheduledAt.getTime()),
  });

const candidates: [name: string, module: Type, add: Add][] = [
  ['crons, this library', Ours, addCron],
  ['the same, with ScheduleModule', Both, addCron],
  [
    'crons, @nestjs/schedule',
    Nests,
    (app, index, late) => {
      const job = new CronJob(expression(index), () => late(sinceSecond()));
      app.get(SchedulerRegistry).addCronJob(`job ${index}`, job as never);
      job.start();
    },
  ],
  [
    'intervals, this library',
    Ours,
    (app, index, late) =>
      app.get(ScopedWorkerRegistry).add({
        name: `job ${index}`,
        everyMs: MINUTE_MS,
        handler: (tick) => late(Date.now() - tick.scheduledAt.getTime()),
      }),
  ],
  [
    'intervals, @nestjs/schedule',
    Nests,
    (app, index, late) => {
      let due = Date.now() + MINUTE_MS;
      const interval = setInterval(() => {
        late(Math.max(Date.now() - due, 0));
        due += MINUTE_MS;
      }, MINUTE_MS);
      app.get(SchedulerRegistry).addInterval(`job ${index}`, interval);
    },
  ],
];

printMachine();
console.log(`${COUNT} schedules, ${SECONDS} s`);
const rows: object[] = [];
for (const [name, module, add] of candidates) {
  const app = await NestFactory.createApplicationContext(module, { logger: false });
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  const lateness: number[] = [];
  let runs = 0;
  const late: Late = (ms) => {
    runs += 1;
    lateness.push(ms);
  };
  for (let index = 0; index < COUNT; index += 1) await add(app, index, late);
  const addMs = performance.now() - startedAt;
  collectGarbage();
  const heap = process.memoryUsage().heapUsed - before;
  const { user, system } = process.cpuUsage();
  const from = performance.now();
  await sleep(SECONDS * 1_000);
  const used = process.cpuUsage();
  const cpuMs = (used.user - user + used.system - system) / 1_000;
  rows.push({
    schedules: name,
    'to add (ms)': Math.round(addMs),
    'heap (MB)': (heap / 1e6).toFixed(1),
    'share of a core (%)': ((100 * cpuMs) / (performance.now() - from)).toFixed(2),
    runs,
    'late p50 (ms)': percentile(lateness, 0.5),
    'late p99 (ms)': percentile(lateness, 0.99),
  });
  await app.close();
}
console.table(rows);
