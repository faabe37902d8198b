/**
 * Question: how much does leak detection add to the cost of a scope?
 *
 * Variables: graphs of 1, 6 and 20 request-scoped providers; detection off, on (`{}`), on for a tenth of the scopes, and
 * `strict`. Baseline: off. All in one process, in turns, each with standalone scopes; medians of the rounds.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ProviderScopeFactory,
  ScopedWorkerModule,
  type LeakDetectionOptions,
} from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { many, median, printMachine, timeBatch } from './support.js';

const ROUNDS = many(31);
const VARIANTS: Record<string, LeakDetectionOptions | undefined> = {
  off: undefined,
  on: {},
  'on, sample 0.1': { sample: 0.1 },
  strict: { strict: true },
};

printMachine();
console.log(`providers   ${Object.keys(VARIANTS).join(' us   ')} us   (in parentheses: / off)`);
for (const size of [1, 6, 20]) {
  const graph = providerGraph(size);
  const apps = await Promise.all(
    Object.values(VARIANTS).map(async (leakDetection) => {
      class BenchModule {}
      const options = leakDetection === undefined ? {} : { leakDetection };
      Module({ imports: [ScopedWorkerModule.forRoot(options)], providers: graph.providers })(
        BenchModule,
      );
      return NestFactory.createApplicationContext(BenchModule, { logger: false });
    }),
  );
  const works = apps.map((app) => {
    const scopes = app.get(ProviderScopeFactory);
    return () => scopes.run((scope) => scope.resolve(graph.root));
  });
  const calls = Math.ceil(6_000 / size);
  const rounds: number[][] = [];
  for (let round = -3; round < ROUNDS; round += 1) {
    const measured: number[] = [];
    for (const work of works) measured.push(await timeBatch(calls, work));
    if (round >= 0) rounds.push(measured); // the first ones warm up
  }
  const cells = works.map((_work, index) => {
    const us = median(rounds.map((round) => round[index]!));
    const ratio = median(rounds.map((round) => round[index]! / round[0]!));
    return `${us.toFixed(2).padStart(8)} (${ratio.toFixed(2)})`;
  });
  console.log(`${String(size).padStart(9)}   ${cells.join('   ')}`);
  for (const app of apps) await app.close();
}
