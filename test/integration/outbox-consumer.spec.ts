import { Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { jest } from '@jest/globals';
import type { DataSource, Repository } from 'typeorm';
import { ScopedConsumer, ScopedWorker, type ConsumerOptions, type Tick } from '../../lib/index.js';
import {
  InjectScopedRepository,
  outboxSource,
  ScopedTypeOrmModule,
  type OutboxSourceOptions,
} from '../../lib/typeorm/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { countdown, gate } from '../support/gate.js';
import { eventually, KeptMessage } from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';
import { aborted, dataSourceOf, Note, typeOrmRoot } from '../support/scoped-typeorm.js';

type Script = (tick: Tick<KeptMessage>, notes: Repository<Note>) => Promise<unknown>;

describe('A consumer of an outbox', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS kept_outbox, notes'));
  afterEach(closeApps);

  async function start(
    script: Script,
    consumer: ConsumerOptions = {},
    options: OutboxSourceOptions = {},
  ): Promise<TestApp> {
    const OUTBOX = Symbol('OUTBOX');
    @ScopedWorker()
    class Worker {
      constructor(@InjectScopedRepository(Note) private readonly notes: Repository<Note>) {}

      @ScopedConsumer(OUTBOX, consumer)
      handle(tick: Tick<KeptMessage>): Promise<unknown> {
        return script(tick, this.notes);
      }
    }
    return startApp({
      imports: [
        typeOrmRoot(database),
        ScopedTypeOrmModule.forFeature([Note, KeptMessage], { transaction: true }),
      ],
      providers: [
        Worker,
        {
          provide: OUTBOX,
          inject: [getDataSourceToken()],
          useFactory: (dataSource: DataSource) => outboxSource(KeptMessage, dataSource, options),
        },
      ],
    });
  }

  const send = (test: TestApp, text: string): Promise<unknown> =>
    dataSourceOf(test).manager.save(KeptMessage, { text });
  const rows = (): Promise<unknown[]> =>
    database.query(
      `SELECT text, deliveries, "deadAt" IS NOT NULL AS dead, "lastError" AS error,
         "deliveredAt" IS NOT NULL AS delivered, "availableAt" > now() AS waits
       FROM kept_outbox ORDER BY text`,
    );
  const texts = async (): Promise<string[]> =>
    (await database.query<{ text: string }>('SELECT text FROM notes')).map(({ text }) => text);

  it('[G5] acknowledges after the scope has committed', async () => {
    const [inside, goOn] = [gate(), gate()];
    const test = await start(async ({ payload }, notes) => {
      await notes.insert({ text: payload.text });
      inside.open();
      await goOn.opened;
    });
    await send(test, 'a');
    await inside.opened;
    expect(await rows()).toMatchObject([{ delivered: false }]);
    expect(await texts()).toEqual([]);
    const finished = test.next('tick:finished');
    goOn.open();
    expect(await finished).toMatchObject({ outcome: 'succeeded' });
    expect(await rows()).toMatchObject([{ delivered: true, deliveries: 1, error: null }]);
    expect(await texts()).toEqual(['a']);
  });

  it('[G4] returns what shutdown interrupts, uncounted, and holds no connection after it', async () => {
    const begun = countdown(2);
    const test = await start(
      async ({ signal, payload }, notes) => {
        await notes.insert({ text: payload.text });
        begun.hit();
        await aborted(signal);
      },
      { concurrency: 2 },
    );
    await send(test, 'a');
    await send(test, 'b');
    await begun.done;
    await test.app.close();
    const back = { deliveries: 0, error: null, waits: false };
    expect(await rows()).toMatchObject([back, back]);
    expect(await texts()).toEqual([]);
    await eventually('all sessions have ended', async () => {
      const [other] = await database.query<{ count: number }>(
        `SELECT count(*)::int FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
      return other!.count === 0;
    });
  });

  it('[XG4] puts aside what fails maxDeliveries times, and works on the others', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const test = await start(
      async ({ payload }, notes) => {
        await notes.insert({ text: payload.text });
        if (payload.text === 'poison') throw new Error('no use');
      },
      { maxDeliveries: 2 },
      { retryDelayMs: 0 },
    );
    const dead = test.next('message:dead');
    await send(test, 'poison');
    expect(await dead).toMatchObject({ deliveries: 2, body: { text: 'poison' } });
    await send(test, 'sound');
    await eventually('the other is done', async () => (await texts()).length > 0);
    expect(await texts()).toEqual(['sound']);
    expect(await rows()).toMatchObject([
      { text: 'poison', dead: true, error: 'no use', deliveries: 2, delivered: false },
      { text: 'sound', dead: false },
    ]);
    error.mockRestore();
  });

  it('[XG2] reports a message whose lease was lost as failed, though its work is committed', async () => {
    const [inside, goOn] = [gate(), gate()];
    const test = await start(async ({ payload }, notes) => {
      await notes.insert({ text: payload.text });
      inside.open();
      await goOn.opened;
    });
    await send(test, 'a');
    await inside.opened;
    await database.query('UPDATE kept_outbox SET deliveries = deliveries + 1');
    const finished = test.next('tick:finished');
    goOn.open();
    const report = await finished;
    expect(report).toMatchObject({ outcome: 'failed', phase: 'ack' });
    expect((report.error as Error).message).toContain('cannot be acknowledged');
    expect(await texts()).toEqual(['a']);
  });
});
