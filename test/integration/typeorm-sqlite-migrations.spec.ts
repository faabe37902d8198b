import { jest } from '@jest/globals';
import Database from 'better-sqlite3';
import type { DataSource, MigrationInterface, QueryRunner, Repository } from 'typeorm';
import { closeApps } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { startNoteApp, type NoteApp } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

const TABLES = [
  'CREATE TABLE parents (id INTEGER PRIMARY KEY)',
  'CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE CASCADE)',
  'INSERT INTO parents VALUES (1)',
  'INSERT INTO children VALUES (1, 1)',
];

/** Makes a table again, as TypeORM changes columns: with foreign keys, the DROP would delete the children too. */
class Again1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const query = (text: string) => runner.query(text);
    await query('CREATE TABLE temporary_parents (id INTEGER PRIMARY KEY, name TEXT)');
    await query('INSERT INTO temporary_parents (id) SELECT id FROM parents');
    await query('DROP TABLE parents');
    await query('ALTER TABLE temporary_parents RENAME TO parents');
  }

  async down(): Promise<void> {}
}

class Failing1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const query = (text: string) => runner.query(text);
    await query('DELETE FROM children');
    throw new Error('no more');
  }

  async down(): Promise<void> {}
}

describe('Migrations of an SQLite file while the application writes', () => {
  let file: TestFile;
  let test: NoteApp;
  let dataSource: DataSource;
  let plain: Repository<Note>;

  const start = async (
    migration: new () => MigrationInterface,
    options: Parameters<typeof sqliteRoot>[1] = {},
  ): Promise<void> => {
    test = await startNoteApp(sqliteRoot(file, { migrations: [migration], ...options }), {
      transaction: true,
    });
    dataSource = dataSourceOf(test);
    plain = dataSource.getRepository(Note);
    for (const statement of TABLES) await dataSource.query(statement);
  };
  beforeEach(() => {
    file = createTestFile();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeApps();
    removeTestFiles();
  });

  /** Of the connection of the application, which writers of others would use at this moment. */
  const foreignKeys = (): unknown => {
    const { databaseConnection } = dataSource.driver as unknown as {
      databaseConnection: { pragma(text: string, options: { simple: true }): unknown };
    };
    return databaseConnection.pragma('foreign_keys', { simple: true });
  };
  /** Inside the transactions of `save()` calls that are begun one after the other until `work` ends: whether foreign keys are on. */
  const whileSaving = async (work: Promise<unknown>): Promise<unknown[]> => {
    const seen: unknown[] = [];
    const saves: Promise<unknown>[] = [];
    let isOver = false;
    work.catch(() => undefined).finally(() => (isOver = true));
    while (!isOver && saves.length < 500) {
      const save = dataSource.transaction(async (manager) => {
        seen.push(foreignKeys());
        await manager.save(Note, { text: 'a' });
      });
      saves.push(save);
      await Promise.race([save, turn()]);
    }
    await Promise.all([...saves, work]);
    return seen;
  };
  /** As TypeORM does it. */
  const migrate = async (): Promise<void> => {
    const runner = dataSource.createQueryRunner();
    await runner.beforeMigration();
    await runner.startTransaction();
    await new Again1700000000000().up(runner);
    await runner.commitTransaction();
    await runner.afterMigration();
    await runner.release();
  };
  const children = () => file.query('SELECT * FROM children');

  /** A request whose transaction has written, and ends with the gate. */
  async function requestInTransaction() {
    const [written, end] = [gate(), gate()];
    const request = dataSource.transaction(async (manager) => {
      await manager.save(Note, { text: 'a' });
      written.open();
      await end.opened;
    });
    await written.opened;
    return { request, end };
  }

  it('are alone while foreign keys are off, and switch them on again', async () => {
    await start(Again1700000000000);
    const seen = await whileSaving(dataSource.runMigrations());
    seen.push(...(await whileSaving(dataSource.synchronize())));

    expect(seen.length).toBeGreaterThan(2);
    expect(new Set(seen)).toEqual(new Set([1]));
    expect(foreignKeys()).toBe(1);
    expect(children()).toHaveLength(1);
  });

  it('wait for the transaction of a request before they switch foreign keys off, or they would delete rows', async () => {
    await start(Again1700000000000);
    const { request, end } = await requestInTransaction();
    const migration = migrate();
    await turn();
    end.open();
    await Promise.all([request, migration]);

    expect(children()).toHaveLength(1);
    expect(foreignKeys()).toBe(1);
  });

  it.each(['all', 'each'] as const)(
    'that fail, in transactions of %j, leave foreign keys on, and let others write',
    async (transaction) => {
      await start(Failing1700000000001);
      jest.spyOn(console, 'log').mockImplementation(() => undefined); // of TypeORM
      await expect(dataSource.runMigrations({ transaction })).rejects.toThrow('no more');
      await plain.save({ text: 'a' });

      expect(file.committed()).toEqual(['a']);
      expect(foreignKeys()).toBe(1);
      expect(children()).toHaveLength(1);
    },
  );

  it.each(['all', 'each'] as const)(
    'that cannot begin, in transactions of %j, leave foreign keys on, and let others write',
    async (transaction) => {
      await start(Failing1700000000001, { timeout: 0 });
      jest.spyOn(console, 'log').mockImplementation(() => undefined); // of TypeORM
      await expect(dataSource.runMigrations({ transaction })).rejects.toThrow('no more'); // creates its table
      const other = new Database(file.path);
      other.exec('BEGIN IMMEDIATE');
      await expect(dataSource.runMigrations({ transaction })).rejects.toThrow('database is locked');
      other.close();
      await plain.save({ text: 'a' });

      expect(file.committed()).toEqual(['a']);
      expect(foreignKeys()).toBe(1);
    },
  );

  it('are refused inside of a tick that has written, and nobody waits for them', async () => {
    await start(Again1700000000000);
    test.script = async ({ notes }) => {
      await notes.save({ text: 'of the tick' });
      await dataSource.synchronize();
    };
    const report = await test.registry.run('work');

    expect(report.error).toMatchObject({
      code: 'WRITE_REFUSED',
      statement: 'PRAGMA foreign_keys = OFF',
    });
    await plain.save({ text: 'a' });
    expect(file.committed()).toEqual(['a']);
  });

  it('that are cut short by destroy() keep nobody from writing later', async () => {
    await start(Again1700000000000);
    const runner = dataSource.createQueryRunner();
    await runner.beforeMigration();
    await dataSource.destroy();
    await runner.release();
    await dataSource.initialize();
    await plain.save({ text: 'a' });

    expect(file.committed()).toEqual(['a']);
  });

  it('PRAGMA foreign_keys that a request sends waits for the transaction of another', async () => {
    await start(Again1700000000000);
    const { request, end } = await requestInTransaction();
    const off = dataSource.query('PRAGMA foreign_keys = OFF');
    await turn();
    end.open();
    await Promise.all([request, off]);

    expect(foreignKeys()).toBe(0);
  });
});
