/**
 * Question: how much does a scope cost beyond the resolution that Nest does anyway?
 *
 * Variables: graphs of 1, 6, 20 and 60 request-scoped providers. Baselines: `ModuleRef.resolve` under a new context
 * id, which disposes nothing, and the same objects with `new`. All in one process, in turns; medians of the rounds.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { ContextIdFactory, ModuleRef, NestFactory } from '@nestjs/core';
import { ProviderScopeFactory, ScopedWorkerModule } from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { many, median, printMachine, timeBatch } from './support.js';

const ROUNDS = many(41);

printMachine();
console.log('providers   scope us   Nest resolve us   new us   scope / Nest');
for (const size of [1, 6, 20, 60]) {
  const graph = providerGraph(size);
  class BenchModule {}
  Module({ imports: [ScopedWorkerModule.forRoot()], providers: graph.providers })(BenchModule);
  const app = await NestFactory.createApplicationContext(BenchModule, { logger: false });
  const scopes = app.get(ProviderScopeFactory);
  const moduleRef = app.select(BenchModule).get(ModuleRef, { strict: true });

  const ours = async (): Promise<void> => {
    const scope = await scopes.open();
    await scope.resolve(graph.root);
    await scope.complete();
  };
  const nest = (): Promise<object> =>
    moduleRef.resolve(graph.root, ContextIdFactory.create(), { strict: false });

  const calls = Math.ceil(6_000 / size);
  const rounds: { scope: number; nest: number; plain: number }[] = [];
  for (let round = -3; round < ROUNDS; round += 1) {
    const measured = {
      scope: await timeBatch(calls, ours),
      nest: await timeBatch(calls, nest),
      plain: await timeBatch(calls, graph.construct),
    };
    if (round >= 0) rounds.push(measured); // the first ones warm up
  }
  const scope = median(rounds.map((round) => round.scope));
  const bare = median(rounds.map((round) => round.nest));
  const plain = median(rounds.map((round) => round.plain));
  const ratio = median(rounds.map((round) => round.scope / round.nest));
  const cells = [
    scope.toFixed(2).padStart(8),
    bare.toFixed(2).padStart(15),
    plain.toFixed(3).padStart(6),
    ratio.toFixed(2),
  ];
  console.log(`${String(size).padStart(9)}   ${cells.join('   ')}`);
  await app.close();
}
