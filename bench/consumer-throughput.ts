/**
 * Question: how many messages per second does a consumer with a scope for each message handle?
 *
 * Variables: a graph of 6 request-scoped providers, concurrency 1 and 10, an in-memory queue. Baseline: a loop over the same
 * queue that calls one shared object. All in one process, in turns; medians of the rounds.
 */
import 'reflect-metadata';
import { Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  inMemoryQueue,
  ScopedConsumer,
  ScopedWorker,
  ScopedWorkerModule,
  type InMemoryQueue,
  type Tick,
} from 'nestjs-scoped-worker';
import { providerGraph } from './provider-graph.js';
import { many, median, printMachine } from './support.js';

const MESSAGES = many(5_000, 100);
const ROUNDS = many(15);

/** Puts the messages in, and waits until all are handled. */
class Round {
  #left = MESSAGES;
  readonly done: Promise<void>;
  #finish!: () => void;

  constructor() {
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  hit(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#finish();
  }
}

let round = new Round();

/** Returns the messages per second, from the first `put` to the last handled message. */
async function measure(queue: InMemoryQueue<number>): Promise<number> {
  round = new Round();
  const startedAt = performance.now();
  for (let message = 0; message < MESSAGES; message += 1) await queue.put(message);
  await round.done;
  return MESSAGES / ((performance.now() - startedAt) / 1_000);
}

function consume(graph: ReturnType<typeof providerGraph>, queue: object, concurrency: number) {
  class BenchConsumer {
    handle(_tick: Tick<number>): void {
      round.hit();
    }
  }
  const handler = Object.getOwnPropertyDescriptor(BenchConsumer.prototype, 'handle')!;
  ScopedConsumer('QUEUE', { concurrency })(BenchConsumer.prototype, 'handle', handler);
  Inject(graph.root)(BenchConsumer, undefined, 0);
  ScopedWorker()(BenchConsumer);
  class BenchModule {}
  Module({
    imports: [ScopedWorkerModule.forRoot()],
    providers: [...graph.providers, BenchConsumer, { provide: 'QUEUE', useValue: queue }],
  })(BenchModule);
  return NestFactory.createApplicationContext(BenchModule, { logger: false });
}

/** One object for all messages, as in a long-lived consumer. */
async function shareOne(graph: ReturnType<typeof providerGraph>, queue: InMemoryQueue<number>) {
  const shared = graph.construct();
  const stopping = new AbortController();
  const loop = (async () => {
    for await (const delivery of queue.read(stopping.signal)) {
      if (shared !== undefined) round.hit();
      await delivery.ack();
    }
  })();
  return { stop: () => (stopping.abort(), loop) };
}

printMachine();
console.log('concurrency   scoped msg/s   shared msg/s   shared / scoped');
for (const concurrency of [1, 10]) {
  const graph = providerGraph(6);
  const scopedQueue = inMemoryQueue<number>();
  const sharedQueue = inMemoryQueue<number>();
  const app = await consume(graph, scopedQueue, concurrency);
  const shared = await shareOne(graph, sharedQueue);
  const rounds: { scoped: number; shared: number }[] = [];
  for (let count = -2; count < ROUNDS; count += 1) {
    const measured = { scoped: await measure(scopedQueue), shared: await measure(sharedQueue) };
    if (count >= 0) rounds.push(measured); // the first ones warm up
  }
  const cells = [
    median(rounds.map((one) => one.scoped))
      .toFixed(0)
      .padStart(12),
    median(rounds.map((one) => one.shared))
      .toFixed(0)
      .padStart(12),
    median(rounds.map((one) => one.shared / one.scoped)).toFixed(1),
  ];
  console.log(`${String(concurrency).padStart(11)}   ${cells.join('   ')}`);
  await shared.stop();
  await app.close();
}
