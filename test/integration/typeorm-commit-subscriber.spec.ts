import { EventSubscriber, type EntitySubscriberInterface, type Logger } from 'typeorm';
import { closeApps } from '../support/app.js';
import { startNoteApp, type NoteApp } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import {
  checkNothingKept,
  committed,
  dataSourceOf,
  poolOf,
  silentPg,
  typeOrmRoot,
} from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

const error = new Error('the subscriber failed');

/** False while the tables are made. */
let mayThrow = false;

let afterCommit: () => unknown = () => undefined;

@EventSubscriber()
class Before implements EntitySubscriberInterface {
  beforeTransactionCommit(): void {
    if (mayThrow) throw error;
  }
}

@EventSubscriber()
class After implements EntitySubscriberInterface {
  async afterTransactionCommit(): Promise<void> {
    if (mayThrow) throw error;
    await afterCommit();
  }
}

let afterQuery: (query: string) => unknown = () => undefined;

@EventSubscriber()
class AfterQuery implements EntitySubscriberInterface {
  afterQuery({ query }: { query: string }): void {
    return afterQuery(query) as void; // TypeORM awaits it, although its type doesn't say so
  }
}

describe('A subscriber that throws', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS parts, notes'));
  afterEach(async () => {
    mayThrow = false;
    afterCommit = () => undefined;
    afterQuery = () => undefined;
    await closeApps();
    removeTestFiles();
  });

  const options = { defaults: { retry: { attempts: 3, backoffMs: 0 } } };

  const onPostgres = (driver?: object) => (subscribers: Function[]) => ({
    root: typeOrmRoot(database, { subscribers, driver }),
    rows: () => committed(database),
    check: (test: NoteApp) => checkNothingKept(poolOf(test), database),
  });

  // TypeORM 0.3 awaits no afterQuery() on SQLite.
  it('[XB1] later, in afterQuery() of the statement COMMIT on PostgreSQL, repeats no committed work', async () => {
    const { root, rows, check } = onPostgres()([AfterQuery]);
    const test = await startNoteApp(root, { transaction: true }, { options });
    test.script = async ({ notes }) => {
      await notes.insert({ text: 'a' });
      afterQuery = (query) => (query === 'COMMIT' ? Promise.reject(error) : undefined);
    };
    const report = await test.registry.run('work');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose', attempts: 1, error });
    expect(await rows()).toEqual(['a']);
    await check(test);
  });

  describe.each([
    ['PostgreSQL', onPostgres()],
    ['PostgreSQL, with pg before 8.21', onPostgres(silentPg)],
    [
      'SQLite',
      (subscribers: Function[]) => {
        const file = createTestFile();
        return {
          root: sqliteRoot(file, { subscribers }),
          rows: () => Promise.resolve(file.committed()),
          check: () => Promise.resolve(),
        };
      },
    ],
  ])('on %s', (_, on) => {
    it('[XB1] before the COMMIT, has it rolled back, and the tick is retried', async () => {
      const { root, rows, check } = on([Before]);
      const test = await startNoteApp(root, { transaction: true }, { options });
      test.script = ({ notes }) => notes.insert({ text: 'a' });
      mayThrow = true;
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', attempts: 3, error });
      expect(await rows()).toEqual([]);
      await check(test);
    });

    it('[XB1] after the COMMIT, fails the tick in the phase dispose, and the committed work is not repeated', async () => {
      const { root, rows, check } = on([After]);
      const test = await startNoteApp(root, { transaction: true }, { options });
      const hooks: string[] = [];
      test.script = async ({ notes, tick }) => {
        tick.scope.onCommit(() => void hooks.push('commit'));
        tick.scope.onRollback(() => void hooks.push('rollback'));
        await notes.insert({ text: 'a' });
      };
      mayThrow = true;
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose', attempts: 1, error });
      expect(hooks).toEqual(['commit']);
      expect(await rows()).toEqual(['a']);
      await check(test);
    });

    it('[XB1] after the statement COMMIT, repeats no committed work', async () => {
      const { root, rows, check } = on([AfterQuery]);
      const test = await startNoteApp(root, { transaction: true }, { options });
      const hooks: string[] = [];
      test.script = async ({ notes, tick }) => {
        tick.scope.onCommit(() => void hooks.push('commit'));
        tick.scope.onRollback(() => void hooks.push('rollback'));
        tick.scope.defer(() => notes.insert({ text: 'deferred' }));
        await notes.insert({ text: 'a' });
        afterQuery = (query) => {
          if (query === 'COMMIT') throw error;
        };
      };
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose', attempts: 1 });
      expect((report.error as Error).message).toContain(error.message);
      expect(hooks).toEqual(['commit']);
      expect(await rows()).toEqual(['a', 'deferred']);
      await check(test);
    });

    it('[XB1] after a COMMIT that the database refused, has it rolled back, and the tick is retried', async () => {
      const { root, rows, check } = on([AfterQuery]);
      const test = await startNoteApp(root, { transaction: true }, { options });
      await dataSourceOf(test).query(
        'CREATE TABLE parts (note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)',
      );
      test.script = async ({ manager, notes }) => {
        await manager.query('INSERT INTO parts (note) VALUES (0)');
        await notes.insert({ text: 'a' });
        afterQuery = (query) => {
          if (query === 'COMMIT') throw error;
        };
      };
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', attempts: 3 });
      expect(await rows()).toEqual([]);
      await check(test);
    });

    it.each([
      ['succeeds if the subscriber catches the error', true, { outcome: 'succeeded' }],
      ['fails in the phase dispose if it does not', false, { outcome: 'failed', phase: 'dispose' }],
    ])(
      '[XB1] after the COMMIT, because its own statement failed, repeats no committed work: the tick %s',
      async (_, catches, ended) => {
        const { root, rows, check } = on([After]);
        const test = await startNoteApp(root, { transaction: true }, { options });
        const hooks: string[] = [];
        test.script = async ({ notes, manager, tick }) => {
          tick.scope.onRollback(() => void hooks.push('rollback'));
          afterCommit = async () => {
            const sent = manager.queryRunner!.query('SELECT nonsense()');
            await (catches ? sent.catch(() => undefined) : sent);
          };
          await notes.insert({ text: 'a' });
        };
        const report = await test.registry.run('work');

        expect(report).toMatchObject({ ...ended, attempts: 1 });
        expect(hooks).toEqual([]);
        expect(await rows()).toEqual(['a']);
        await check(test);
      },
    );
  });

  it('[XB1] or a logger, beside a COMMIT that SQLite rolls back, commits nothing, and the tick is retried', async () => {
    const file = createTestFile();
    let isFull = false;
    interface Connection {
      exec(text: string): void;
      prepare(text: string): unknown;
    }
    const prepareDatabase = (connection: Connection): void => {
      const prepare = connection.prepare.bind(connection);
      connection.prepare = (text) => {
        if (!isFull || text !== 'COMMIT') return prepare(text);
        const run = (): void => {
          connection.exec('ROLLBACK');
          throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
        };
        return { reader: false, run };
      };
    };
    const logger = new Proxy({} as Logger, {
      get: (_, method) => () => {
        if (isFull && method === 'logQueryError') throw new Error('no space left');
      },
    });
    const test = await startNoteApp(
      sqliteRoot(file, { prepareDatabase: prepareDatabase as never, logger }),
      { transaction: true },
      { options },
    );
    test.script = async ({ notes }) => {
      await notes.insert({ text: 'a' });
      isFull = true;
    };
    const report = await test.registry.run('work');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', attempts: 3 });
    expect(file.committed()).toEqual([]);
  });
});
