import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import Database from 'better-sqlite3';
import { createRequire } from 'node:module';
import { DataSource } from 'typeorm';
import { InvalidOptionsError } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { gate } from '../support/gate.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import {
  countConnections,
  createTestFile,
  removeTestFiles,
  sqliteRoot,
} from '../support/sqlite.js';

/** The drivers find their packages from the folder of TypeORM, which the one of Nest 11 does not share. */
const sqlJs = createRequire(import.meta.url)('sql.js') as unknown;

const sqlJsRoot = (): DynamicModule =>
  TypeOrmModule.forRoot({
    type: 'sqljs',
    driver: sqlJs,
    autoLoadEntities: true,
    synchronize: true,
    retryAttempts: 0,
  });

/** A driver that the library does not know, with one query runner for all. */
const unknownRoot = (): DynamicModule =>
  TypeOrmModule.forRootAsync({
    useFactory: () => ({
      type: 'better-sqlite3' as const,
      database: ':memory:',
      autoLoadEntities: true,
      synchronize: true,
      retryAttempts: 0,
    }),
    dataSourceFactory: async (options) => {
      const dataSource = await new DataSource(options!).initialize();
      Object.assign(dataSource.driver, {
        options: { ...dataSource.options, type: 'expo' },
      });
      return dataSource;
    },
  });

describe('A data source with one connection', () => {
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  describe.each<[string, () => DynamicModule, string]>([
    [
      'better-sqlite3 in memory',
      () => sqliteRoot(),
      'is an in-memory SQLite database, which has only one connection',
    ],
    [
      'better-sqlite3 with a temporary file',
      () => sqliteRoot(undefined, { database: '' }),
      'is an in-memory SQLite database, which has only one connection',
    ],
    ['sql.js', sqlJsRoot, 'has one connection for the whole process (driver sqljs)'],
    [
      'a driver with one query runner',
      unknownRoot,
      'has one connection for the whole process (driver expo)',
    ],
  ])('of %s', (_, root, because) => {
    const run = (test: NoteApp, script: (scope: NoteScope) => unknown) => {
      test.script = script;
      return test.registry.run('work');
    };

    it('refuses { transaction: true } at start-up, in one sentence', async () => {
      const starting = startNoteApp(root(), { transaction: true });

      await expect(starting).rejects.toThrow(InvalidOptionsError);
      await expect(starting).rejects.toMatchObject({
        problems: [
          `ScopedTypeOrmModule.forFeature(): { transaction: true } needs a connection for each scope, but the data source "default" ${because}. Use a database server or a database file that supports WAL, or omit the option.`,
        ],
      });
    });

    it('is shared without the option: its query runner is never patched, and each scope has an entity manager', async () => {
      const test = await startNoteApp(root(), {});
      const { driver } = dataSourceOf(test);
      const runner = driver.createQueryRunner('master');
      const before = Object.entries(runner);
      const managers = new Set<unknown>();
      for (let ticks = 0; ticks < 20; ticks += 1) {
        const { error } = await run(test, async ({ manager, notes }) => {
          managers.add(manager);
          await notes.save({ text: 'a' });
          if (ticks % 2 === 1) throw new Error('too late');
        });
        expect(error).toEqual(ticks % 2 === 1 ? new Error('too late') : undefined);
      }

      expect(managers.size).toBe(20);
      expect(driver.createQueryRunner('master')).toBe(runner);
      expect(Object.getOwnPropertyNames(runner).sort()).toEqual(
        expect.arrayContaining(before.map(([name]) => name)),
      );
      for (const method of ['query', 'connect', 'release', 'startTransaction'] as const) {
        expect(Object.hasOwn(runner, method)).toBe(false);
        expect(Object.hasOwn(driver, method)).toBe(false);
      }
      expect(await dataSourceOf(test).getRepository(Note).count()).toBe(20);
    });

    it('a tick ends no transaction of a request', async () => {
      const test = await startNoteApp(root(), {});
      const inside = gate();
      const ended = gate();
      const request = dataSourceOf(test).transaction(async (manager) => {
        await manager.insert(Note, { text: 'of a request' });
        inside.open();
        await ended.opened;
        await manager.insert(Note, { text: 'of it too' });
      });
      await inside.opened;
      const failed = await run(test, async ({ notes }) => {
        await notes.count();
        throw new Error('no more');
      });
      ended.open();
      await request;

      expect(failed).toMatchObject({ outcome: 'failed', disposeErrors: [] });
      const notes = await dataSourceOf(test).getRepository(Note).find();
      expect(notes.map(({ text }) => text)).toEqual(['of a request', 'of it too']);
    });
  });

  describe('of a file', () => {
    /** As on a file system without shared memory, where SQLite leaves the mode as it is. */
    const withoutWal = {
      prepareDatabase: (connection: Database) => {
        const pragma = connection.pragma.bind(connection);
        connection.pragma = (text, ...rest) =>
          pragma(text === 'journal_mode = WAL' ? 'journal_mode' : text, ...rest);
      },
    };
    const because =
      'the data source "default" cannot use WAL, which several connections require (the journal mode stays "delete")';

    it('refuses { transaction: true } when SQLite cannot switch it to WAL, with the reason', async () => {
      await expect(
        startNoteApp(sqliteRoot(createTestFile(), withoutWal), { transaction: true }),
      ).rejects.toThrow(
        `${because}. Use a database server or a database file that supports WAL, or omit the option.`,
      );
    });

    it.each([
      ['journal_mode = DELETE', 'sets the journal mode to "delete"'],
      ['locking_mode = EXCLUSIVE', 'sets the locking mode to "exclusive"'],
    ])('refuses { transaction: true } when prepareDatabase sets %s', async (pragma, reason) => {
      const prepareDatabase = (connection: Database): void => void connection.pragma(pragma);
      await expect(
        startNoteApp(sqliteRoot(createTestFile(), { prepareDatabase, timeout: 10 }), {
          transaction: true,
        }),
      ).rejects.toThrow(
        `cannot use WAL, which several connections require (prepareDatabase ${reason})`,
      );
    });

    it('says why a scope fails if the data source is initialized after start-up', async () => {
      const file = createTestFile();
      const root = sqliteRoot(file, {
        ...withoutWal,
        manualInitialization: true,
        entities: [Note],
      });
      const test = await startNoteApp(root, { transaction: true });
      await dataSourceOf(test).initialize();
      test.script = ({ notes }) => notes.count();
      expect(String((await test.registry.run('work')).error)).toContain(
        `The data source of ${file.path} cannot use WAL, which several connections require (the journal mode stays "delete"), so this scope cannot open a connection.`,
      );
    });

    it('warns without { transaction: true } when SQLite cannot switch it to WAL', async () => {
      const test = await startNoteApp(sqliteRoot(createTestFile(), withoutWal), {});
      test.script = ({ notes }) => notes.save({ text: 'a' });
      expect((await test.registry.run('work')).error).toBeUndefined();
      expect(test.log.of('warn')).toEqual([
        `All scopes share one connection with the rest of the application: ${because}. A rollback can undo writes made by other code.`,
      ]);
    });
  });

  it('of a file that is opened to be read only has a connection for each scope', async () => {
    const file = createTestFile();
    const written = await startNoteApp(sqliteRoot(file), {});
    await dataSourceOf(written).getRepository(Note).save({ text: 'a' });
    await closeApps();
    const test = await startNoteApp(sqliteRoot(file, { readonly: true, synchronize: false }), {
      transaction: true,
    });
    test.script = ({ notes }) => notes.count();

    const reading = () =>
      dataSourceOf(test).transaction((manager) => manager.getRepository(Note).count());

    expect(await test.registry.run('work')).toMatchObject({ outcome: 'succeeded', value: 1 });
    expect(await reading()).toBe(1);
  });

  it('of a file that is opened to be read only keeps its journal mode', async () => {
    const file = createTestFile();
    new Database(file.path).exec('CREATE TABLE notes (id integer, text text)').close();
    const connections = countConnections();
    const test = await startNoteApp(
      sqliteRoot(file, { readonly: true, synchronize: false, driver: connections.driver }),
      { transaction: true },
    );
    test.script = ({ notes }) => notes.count();

    expect(await test.registry.run('work')).toMatchObject({ outcome: 'succeeded', value: 0 });
    expect(connections.opened).toBe(2);
    expect(file.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'delete' }]);
  });
});
