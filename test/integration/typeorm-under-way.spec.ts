import { TypeOrmModule } from '@nestjs/typeorm';
import type pg from 'pg';
import { EventSubscriber, type EntitySubscriberInterface } from 'typeorm';
import { closeApps } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { checkNothingKept, committed, Note, poolOf } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

let beforeQuery: (query: string) => unknown = () => undefined;

@EventSubscriber()
class Slow implements EntitySubscriberInterface {
  async beforeQuery({ query }: { query: string }): Promise<void> {
    await beforeQuery(query);
  }
}

const quiet = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describe('What is still under way when a scope ends', () => {
  const database = testDatabase();
  let test: NoteApp;

  const start = async (transaction: boolean, options = {}): Promise<void> => {
    await database.query('DROP TABLE IF EXISTS notes');
    const root = TypeOrmModule.forRoot({
      type: 'postgres',
      url: database.url,
      autoLoadEntities: true,
      synchronize: true,
      retryAttempts: 0,
      poolSize: 2,
      subscribers: [Slow],
    });
    test = await startNoteApp(root, { transaction }, { options });
  };
  const run = (script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run('work');
  };
  /** Resolves when a session waits in `pg_sleep()`, and ends it. */
  const sleeping = async (): Promise<void> => {
    const waits = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;
    while ((await database.query(`SELECT pid ${waits}`)).length === 0) await turn();
  };
  const endSleep = () =>
    database.query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event = 'PgSleep'`,
    );
  afterEach(async () => {
    beforeQuery = () => undefined;
    await closeApps();
    removeTestFiles();
  });

  describe.each([true, false])('with transaction: %p', (transaction) => {
    it('keeps a connection while a statement that nobody awaits runs on it', async () => {
      await start(transaction);
      const report = run(async ({ manager }) => {
        await manager.query('SELECT 1');
        void quiet(manager.query('SELECT pg_sleep(60)'));
      });
      await sleeping();
      const pool = poolOf(test);
      expect(pool.totalCount - pool.idleCount).toBe(1);
      await endSleep();
      await report;
      await checkNothingKept(pool, database);
    });

    it.each([
      ['when the scope is being disposed', { shutdownTimeoutMs: 200 }],
      ['after its disposal took too long', { shutdownTimeoutMs: 200, disposeTimeoutMs: 50 }],
    ])('app.close() does not wait for such a statement %s', async (when, options) => {
      await start(transaction, options);
      const report = run(async ({ manager }) => {
        const slow = manager.transaction(async (inner) => {
          await inner.query('SELECT 1');
          await inner.query('SELECT pg_sleep(60)');
        });
        await sleeping();
        await Promise.all([slow, Promise.reject(new Error('the other one failed'))]);
      });
      await sleeping();
      if (when.startsWith('after') && !transaction) await report;
      await test.app.close(); // the statement would make it wait for a minute
      await endSleep();
      expect((await report).outcome).toBe('failed');
    });

    it('opens no connection that nothing would release', async () => {
      await start(transaction);
      const ended = gate();
      let late: Promise<unknown> | undefined;
      await run(({ manager }) => {
        late = quiet(ended.opened.then(() => manager.queryRunner!.connect()));
      });
      ended.open();

      expect(await late).toMatchObject({ code: 'SCOPE_CLOSED' });
      await checkNothingKept(poolOf(test), database);
    });

    it.each([0, 1, 2, 3, 4, 5])(
      'opens none if the handler releases the query runner before its first statement either (%d)',
      async (turns) => {
        await start(transaction);
        const report = await run(async ({ manager }) => {
          const released = manager.queryRunner!.release();
          for (let at = 0; at < turns; at += 1) await Promise.resolve();
          await Promise.allSettled([manager.query('SELECT 1'), released]);
        });

        expect(report.disposeErrors).toEqual([]);
        await checkNothingKept(poolOf(test), database);
      },
    );
  });

  it.each([
    ['succeeds', () => undefined, ['awaited', 'delayed']],
    ['fails', () => Promise.reject(new Error('no more')), []],
  ])(
    '[XB1] a statement that a subscriber delays is part of the transaction, if the handler %s',
    async (_, end, rows) => {
      await start(true);
      const delayed = gate();
      const goOn = gate();
      const report = run(async ({ notes, manager }) => {
        await notes.insert({ text: 'awaited' });
        beforeQuery = (query) => (query.includes('delayed') ? (delayed.open(), goOn.opened) : 0);
        void quiet(manager.query(`INSERT INTO notes(text) VALUES ('delayed')`));
        await delayed.opened;
        await end();
      });
      await delayed.opened;
      goOn.open();
      await report;
      expect(await committed(database)).toEqual(rows);
    },
  );

  it('[XB1] an inner transaction that is just beginning is not committed by half', async () => {
    await start(true);
    const beginning = gate();
    const goOn = gate();
    let inner: Promise<unknown> | undefined;
    const report = run(async ({ notes, manager }) => {
      await notes.insert({ text: 'a' });
      beforeQuery = (query) =>
        query.startsWith('SAVEPOINT') ? (beginning.open(), goOn.opened) : 0;
      inner = quiet(manager.transaction((own) => own.insert(Note, { text: 'b' })));
      await beginning.opened;
    });
    await beginning.opened;
    goOn.open();
    expect(await report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    await inner;
    expect(await committed(database)).toEqual([]);
  });

  it('[XB1] nothing is lost silently if a statement on the connection itself fails before COMMIT', async () => {
    await start(true);
    const report = await run(async ({ notes, manager }) => {
      await notes.insert({ text: 'a' });
      const client = (await manager.queryRunner!.connect()) as pg.Client;
      void quiet(client.query('SELECT pg_sleep(0.1), 1 / 0'));
    });

    expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    expect((report.error as Error).message).toContain('one of its statements failed');
    expect(await committed(database)).toEqual([]);
  });

  it('on SQLite, a save() that waits for its turn fails the tick, as on PostgreSQL', async () => {
    const file = createTestFile();
    test = await startNoteApp(sqliteRoot(file), {});
    const holds = gate();
    const go = gate();
    const holder = run(({ manager }) =>
      manager.transaction(async (inner) => {
        await inner.insert(Note, { text: 'holder' });
        holds.open();
        await go.opened;
      }),
    );
    await holds.opened;
    const waits = gate();
    const report = run(async ({ manager, notes }) => {
      await manager.query('SELECT 1');
      void quiet(notes.save({ text: 'not awaited' }));
      for (let turns = 0; turns < 5; turns += 1) await turn();
      waits.open();
    });
    await waits.opened;
    await turn();
    go.open();

    expect(await holder).toMatchObject({ outcome: 'succeeded' });
    expect(await report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
    expect(file.committed()).toEqual(['holder']);
  });
});
