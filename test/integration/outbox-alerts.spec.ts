import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource, Repository } from 'typeorm';
import type { MessageSource } from '../../lib/consumers/source/message-source.js';
import {
  getScopedRepositoryToken,
  outboxChannel,
  outboxSource,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps, startApp } from '../support/app.js';
import { quietFor } from '../support/gate.js';
import {
  closeOutboxes,
  eventually,
  isIdle,
  listeners,
  NEVER_MS,
  openDataSource,
  OutboxMessage,
  poolOf,
  reader,
  type Reader,
} from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';
import { typeOrmRoot } from '../support/scoped-typeorm.js';

describe('The alerts of an outbox', () => {
  const database = testDatabase();

  let warn: jest.SpiedFunction<Logger['warn']>;
  beforeEach(async () => {
    warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    await database.query('DROP TABLE IF EXISTS outbox');
  });
  afterEach(closeOutboxes);
  afterEach(() => jest.restoreAllMocks());

  /** The next delivery of a reader that listens and waits, and whether it has come. */
  async function waiting<T>({ next }: Reader<T>): Promise<{
    delivery: ReturnType<Reader<T>['next']>;
    hasCome(): boolean;
  }> {
    let hasCome = false;
    const delivery = next().finally(() => (hasCome = true));
    delivery.catch(() => undefined);
    await eventually(
      'the reader listens',
      async () => hasCome || (await listeners(database)).length > 0,
    );
    await quietFor(100); // for the look that it takes after that
    return { delivery, hasCome: () => hasCome };
  }

  const insert = (text: string): Promise<unknown> =>
    database.query('INSERT INTO outbox (text) VALUES ($1)', [text]);
  const sessionsOf = async (): Promise<number> => (await listeners(database)).length;

  it('[XG3] wake a reader when a row is saved on another data source', async () => {
    const [mine, other] = [await openDataSource(database), await openDataSource(database)];
    outboxSource(OutboxMessage, other);
    const { delivery } = await waiting(
      reader(outboxSource(OutboxMessage, mine, { pollMs: NEVER_MS })),
    );
    await other.manager.save(OutboxMessage, { text: 'a' });
    expect((await delivery).body.text).toBe('a');
  });

  it('wake on commit, also after a savepoint was rolled back, and once for many rows', async () => {
    const dataSource = await openDataSource(database);
    const source = outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS });
    const { delivery, hasCome } = await waiting(reader(source));
    const sent = jest.spyOn(dataSource.logger, 'logQuery');
    await dataSource.transaction(async (manager) => {
      await manager.insert(
        OutboxMessage,
        Array.from({ length: 50 }, (_, index) => ({ text: String(index) })),
      );
      await manager
        .transaction(async (inner) => {
          await inner.save(OutboxMessage, { text: 'never' });
          throw new Error('no');
        })
        .catch(() => undefined);
      await quietFor(100);
      expect(hasCome()).toBe(false);
    });
    await delivery;
    expect(sent.mock.calls.filter(([sql]) => sql.includes('pg_notify'))).toHaveLength(2);
  });

  it('wake when the transaction of a scope commits', async () => {
    const { app, scopes } = await startApp({
      imports: [
        typeOrmRoot(database),
        ScopedTypeOrmModule.forFeature([OutboxMessage], { transaction: true }),
      ],
      providers: [
        {
          provide: 'OUTBOX',
          inject: [getDataSourceToken()],
          useFactory: (dataSource: DataSource) =>
            outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS }),
        },
      ],
    });
    const reading = reader(app.get<MessageSource<OutboxMessage>>('OUTBOX'));
    const { delivery, hasCome } = await waiting(reading);
    await scopes.run(async (scope) => {
      const outbox = await scope.resolve<Repository<OutboxMessage>>(
        getScopedRepositoryToken(OutboxMessage),
      );
      await outbox.save({ text: 'a' });
      await quietFor(100);
      expect(hasCome()).toBe(false);
    });
    expect((await delivery).body.text).toBe('a');
    reading.abort();
    await reading.ended();
    await closeApps();
  });

  it('wake by outboxChannel() for rows that are written without the entity, which nothing else announces', async () => {
    const dataSource = await openDataSource(database);
    const source = outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS });
    const { delivery, hasCome } = await waiting(reader(source));
    await insert('a');
    await quietFor(200);
    expect(hasCome()).toBe(false);
    const channel = outboxChannel(OutboxMessage, dataSource);
    expect(channel).toBe('outbox:public.outbox');
    await database.query(`SELECT pg_notify($1, '')`, [channel]);
    expect((await delivery).body.text).toBe('a');
  });

  it('[G4] hand a message that was interrupted over to another reader at once', async () => {
    const [stopping, other] = [await openDataSource(database), await openDataSource(database)];
    await stopping.manager.save(OutboxMessage, { text: 'a' });
    const options = { pollMs: NEVER_MS };
    const held = await reader(outboxSource(OutboxMessage, stopping, options)).next();
    const { delivery } = await waiting(reader(outboxSource(OutboxMessage, other, options)));
    await held.nack();
    expect((await delivery).body.text).toBe('a');
  });

  it('are sent once by a process, however many sources of an outbox it makes', async () => {
    const dataSource = await openDataSource(database);
    const before = dataSource.subscribers.length;
    outboxSource(OutboxMessage, dataSource, { listen: false });
    expect(dataSource.subscribers).toHaveLength(before);
    outboxSource(OutboxMessage, dataSource);
    outboxSource(OutboxMessage, dataSource);
    expect(dataSource.subscribers).toHaveLength(before + 1);
  });

  it('are not needed: with { listen: false } the reader polls, and no session listens', async () => {
    const dataSource = await openDataSource(database);
    const source = outboxSource(OutboxMessage, dataSource, { listen: false, pollMs: 50 });
    const delivery = reader(source).next();
    await quietFor(200);
    expect(await sessionsOf()).toBe(0);
    await insert('a');
    expect((await delivery).body.text).toBe('a');
  });

  it('hold one connection while they listen, and none after the signal was aborted', async () => {
    const dataSource = await openDataSource(database);
    const reading = reader(outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS }));
    await waiting(reading);
    const pool = poolOf(dataSource);
    expect(pool.totalCount - pool.idleCount).toBe(1);
    reading.abort();
    await reading.ended();
    expect(isIdle(pool)).toBe(true);
    await eventually('no session listens', async () => (await sessionsOf()) === 0);
  });

  it('return the connection when the consumer does not ask again', async () => {
    const dataSource = await openDataSource(database);
    await dataSource.manager.save(OutboxMessage, { text: 'a' });
    const reading = reader(outboxSource(OutboxMessage, dataSource));
    await reading.next();
    await eventually('the reader listens', async () => (await sessionsOf()) === 1);
    const pool = poolOf(dataSource);
    expect(isIdle(pool)).toBe(false);
    reading.abort();
    await eventually('the pool is idle', () => isIdle(pool));
  });

  it('return a connection that arrives after the reader has stopped', async () => {
    const dataSource = await openDataSource(database, [OutboxMessage], { poolSize: 2 });
    const pool = poolOf(dataSource);
    const taken = await pool.connect();
    await database.query(`INSERT INTO outbox (text) VALUES ('a')`);
    const reading = reader(outboxSource(OutboxMessage, dataSource));
    const asked = await pool.connect();
    const end = reading.ended(); // LISTEN and the claim wait for a connection
    await eventually('both wait', () => pool.waitingCount === 2);
    reading.abort();
    taken.release();
    asked.release();
    await end;
    await eventually('the pool is idle', () => isIdle(pool));
    expect(await database.query('SELECT deliveries FROM outbox')).toEqual([{ deliveries: 0 }]);
  });

  describe('when the connection that listens is killed', () => {
    it('[XG3] listen on a new one, and announce what was inserted meanwhile', async () => {
      const dataSource = await openDataSource(database);
      const source = outboxSource(OutboxMessage, dataSource, { pollMs: NEVER_MS });
      const { delivery } = await waiting(reader(source));
      const [pid] = await listeners(database);
      await database.query('SELECT pg_terminate_backend($1)', [pid]);
      await insert('meanwhile'); // announced to nobody
      expect((await delivery).body.text).toBe('meanwhile');
      expect(warn).toHaveBeenCalledTimes(1);
      const { delivery: second } = await waiting(reader(source));
      await dataSource.manager.save(OutboxMessage, { text: 'after' });
      expect((await second).body.text).toBe('after');
      expect(await listeners(database)).not.toContain(pid);
    });
  });

  it('[XG3] are missed when LISTEN fails: the reader polls, and a warning is logged once', async () => {
    const dataSource = await openDataSource(database);
    const create = dataSource.createQueryRunner.bind(dataSource);
    let refusals = 0;
    jest.spyOn(dataSource, 'createQueryRunner').mockImplementation((mode) => {
      const runner = create(mode);
      const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
      const refuse = (): Promise<never> => {
        refusals += 1;
        return Promise.reject(new Error('not here'));
      };
      return Object.assign(runner, {
        query: (...args: unknown[]) =>
          String(args[0]).startsWith('LISTEN') ? refuse() : query(...args),
      });
    });
    const delivery = reader(outboxSource(OutboxMessage, dataSource, { pollMs: 50 })).next();
    await eventually('LISTEN was tried again', () => refusals > 1);
    await insert('a');
    expect((await delivery).body.text).toBe('a');
    expect(warn.mock.calls).toEqual([
      [
        'Cannot listen on "outbox:public.outbox" (not here). Until listening succeeds, the library only polls the outbox.',
      ],
    ]);
  });
});
