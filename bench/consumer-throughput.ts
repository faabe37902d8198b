/**
 * Question: how many messages per second does a consumer with a scope for each message handle?
 *
 * Variables: a graph of 6 request-scoped providers, an in-memory queue, concurrency 1 and 10; a handler that does nothing, and one that
 * awaits one query to a local PostgreSQL. Baseline: a loop over another queue, with the same concurrency, that calls one shared
 * object. All in one process, in turns; medians of the rounds.
 */
import 'reflect-metadata';
import { Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Pool } from 'pg';
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

const ROUNDS = many(15);

/** The work of a handler, and the number of messages in a round. */
interface Job {
  readonly messages: number;
  readonly work: () => unknown;
}

/** Puts the messages in, and waits until all are handled. */
class Round {
  #left: number;
  readonly done: Promise<void>;
  #finish!: () => void;

  constructor(messages: number) {
    this.#left = messages;
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  hit(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#finish();
  }
}

let round: Round;

/** Returns the messages per second, from the first `put` to the last handled message. */
async function measure(queue: InMemoryQueue<number>, messages: number): Promise<number> {
  round = new Round(messages);
  const startedAt = performance.now();
  for (let message = 0; message < messages; message += 1) await queue.put(message);
  await round.done;
  return messages / ((performance.now() - startedAt) / 1_000);
}

function consume(
  graph: ReturnType<typeof providerGraph>,
  queue: object,
  concurrency: number,
  work: Job['work'],
) {
  class BenchConsumer {
    async handle(_tick: Tick<number>): Promise<void> {
      await work();
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
async function shareOne(
  graph: ReturnType<typeof providerGraph>,
  queue: InMemoryQueue<number>,
  concurrency: number,
  work: Job['work'],
) {
  const shared = graph.construct();
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    for await (const delivery of queue.read(stopping.signal)) {
      await work();
      if (shared !== undefined) round.hit();
      await delivery.ack();
    }
  };
  const loops = Promise.all(Array.from({ length: concurrency }, loop));
  return { stop: () => (stopping.abort(), loops) };
}

async function compare({ messages, work }: Job, concurrency: number): Promise<string> {
  const graph = providerGraph(6);
  const scopedQueue = inMemoryQueue<number>();
  const sharedQueue = inMemoryQueue<number>();
  const app = await consume(graph, scopedQueue, concurrency, work);
  const shared = await shareOne(graph, sharedQueue, concurrency, work);
  const rounds: { scoped: number; shared: number }[] = [];
  for (let count = -2; count < ROUNDS; count += 1) {
    const scoped = await measure(scopedQueue, messages);
    const measured = { scoped, shared: await measure(sharedQueue, messages) };
    if (count >= 0) rounds.push(measured); // the first ones warm up
  }
  await shared.stop();
  await app.close();
  const cells = [
    median(rounds.map((one) => one.scoped)).toFixed(0),
    median(rounds.map((one) => one.shared)).toFixed(0),
    median(rounds.map((one) => one.scoped / one.shared)).toFixed(2),
  ];
  return cells.map((cell) => cell.padStart(15)).join('');
}

const postgres = new URL('../test/support/postgres-server.mjs', import.meta.url).href;
const { startPostgresServer } = (await import(postgres)) as {
  startPostgresServer(): Promise<{ url: string; stop(): Promise<void> }>;
};
const server = await startPostgresServer();
const pool = new Pool({ connectionString: server.url, max: 10 });
pool.on('error', () => undefined); // `pool.end()` doesn't wait until the connections have closed
const jobs: Record<string, Job> = {
  nothing: { messages: many(5_000, 100), work: () => undefined },
  'one query': { messages: many(1_000, 20), work: () => pool.query('SELECT 1') },
};

printMachine();
console.log('handler     concurrency   scoped msg/s   shared msg/s  scoped / shared');
for (const [name, job] of Object.entries(jobs)) {
  for (const concurrency of [1, 10]) {
    const cells = await compare(job, concurrency);
    console.log(`${name.padEnd(12)}${String(concurrency).padStart(11)}${cells}`);
  }
}
await pool.end();
await server.stop();
