import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { BullModule, Processor, WorkerHost } from '@nestjs/bullmq';
import { createPostgresBackend, withBackend, type Job } from 'bullmq';
import { ProviderScopeFactory } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { InjectScopedRepository, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import type { Repository } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { gate } from '../support/gate.js';
import { permits } from '../support/permits.js';
import { RequestScoped, worker } from '../support/probes.js';

const { Queue, Worker } = withBackend(createPostgresBackend);

const BACKLOG = 472;

describe('A backlog of BullMQ, worked off by a plain @Processor() that opens standalone scopes', () => {
  let database: TestDatabase;
  const queues: InstanceType<typeof Queue>[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    BullModule.queueClass = Queue as never;
    BullModule.workerClass = Worker as never;
  });
  afterEach(closeApps);
  afterAll(async () => {
    for (const queue of queues) await queue.close();
    await database.drop();
  });

  const connection = () => ({ connectionString: database.url, migrate: true });

  async function backlog(name: string): Promise<InstanceType<typeof Queue>> {
    const queue = new Queue(name, { connection: connection() });
    queues.push(queue);
    await queue.addBulk(Array.from({ length: BACKLOG }, (_, n) => ({ name: 'job', data: { n } })));
    return queue;
  }

  it('[L1] fails and loses no job when the application closes, also after the drain', async () => {
    const queue = await backlog('orders');
    const work = permits();
    const held = gate();

    @RequestScoped()
    class Unit {}
    @Processor('orders', { concurrency: 5 })
    class Orders extends WorkerHost {
      constructor(private readonly scopes: ProviderScopeFactory) {
        super();
      }

      async process({ data }: Job<{ n: number }>): Promise<number> {
        await work.take();
        return this.scopes.run(async (scope) => {
          await scope.resolve(Unit);
          return data.n;
        });
      }
    }
    /** Work goes on in each hook before that of BullMQ, which ends its workers in `onApplicationShutdown`. */
    @Injectable()
    class Hooks implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown {
      async onModuleDestroy(): Promise<void> {
        await work.give(20);
      }
      async beforeApplicationShutdown(): Promise<void> {
        await work.give(20);
      }
      onApplicationShutdown(): void {
        work.giveAll();
      }
    }
    const { app, registry, events, next } = await startApp({
      imports: [BullModule.registerQueue({ name: 'orders', connection: connection() as never })],
      providers: [Orders, Unit, Hooks, worker([], () => held.opened)],
    });
    const tick = registry.run('Worker.run');
    await work.give(20);

    const waitingFor = next('shutdown:started');
    const ends: unknown[] = [];
    for (const end of ['shutdown:finished', 'shutdown:closed'] as const)
      events.on(end, ({ abandoned, leftOpen }) => ends.push([end, ...abandoned, ...leftOpen]));
    const closing = app.close();
    expect((await waitingFor).waitingFor).toContainEqual(expect.stringContaining('Worker.run'));
    await work.give(50); // the tick is aborted, and the drain waits for it
    held.open();
    await closing;

    expect((await tick).outcome).toBe('succeeded');
    const { completed, waiting, failed, active } = await queue.getJobCounts();
    expect([failed, active]).toEqual([0, 0]);
    expect(completed).toBe(work.taken);
    expect(completed).toBeGreaterThanOrEqual(110);
    expect(waiting).toBe(BACKLOG - work.taken);
    expect(waiting).toBeGreaterThan(200);
    expect(ends).toEqual([['shutdown:finished'], ['shutdown:closed']]);
  });

  it('[L1] fails no job that writes through TypeORM, if TypeOrmModule is imported first', async () => {
    const queue = await backlog('mails');
    const work = permits();

    @RequestScoped()
    class Mails {
      constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
    }
    @Processor('mails', { concurrency: 5 })
    class MailProcessor extends WorkerHost {
      constructor(private readonly scopes: ProviderScopeFactory) {
        super();
      }

      async process({ data }: Job<{ n: number }>): Promise<void> {
        await work.take();
        await this.scopes.run(async (scope) => {
          const { notes } = await scope.resolve(Mails);
          await notes.insert({ text: `mail ${data.n}` });
        });
      }
    }
    /** Lets all jobs run in the hook before that of BullMQ. */
    @Injectable()
    class Hook implements OnApplicationShutdown {
      onApplicationShutdown(): void {
        work.giveAll();
      }
    }
    const { app } = await startApp({
      imports: [
        typeOrmRoot(database),
        BullModule.registerQueue({ name: 'mails', connection: connection() as never }),
        ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
      ],
      providers: [MailProcessor, Mails, Hook],
    });
    await work.give(20);
    await app.close();

    const { completed, waiting, failed, active, delayed } = await queue.getJobCounts();
    expect([failed, active, delayed]).toEqual([0, 0, 0]);
    expect(waiting).toBe(BACKLOG - completed!);
    const [row] = await database.query<{ count: number }>('SELECT count(*)::int FROM notes');
    expect(row).toEqual({ count: completed });
    expect(completed).toBeGreaterThan(20);
  });
});
