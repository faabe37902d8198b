import { Module } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import type pg from 'pg';
import type { Repository } from 'typeorm';
import type { ProviderScope, ProviderScopeFactory } from '../../lib/index.js';
import { getScopedRepositoryToken, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, compileApp, startApp, type TestApp } from '../support/app.js';
import { testDatabase } from '../support/postgres.js';
import {
  checkNothingKept,
  committed,
  Note,
  poolOf,
  typeOrmRoot,
} from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

describe('A transaction in a standalone scope', () => {
  const database = testDatabase();
  let test: TestApp;
  let pool: pg.Pool;

  beforeEach(async () => {
    await database.query('DROP TABLE IF EXISTS notes');
    test = await startApp({
      imports: [
        typeOrmRoot(database),
        ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
      ],
    });
    pool = poolOf(test);
  });
  afterEach(async () => {
    try {
      await checkNothingKept(pool, database);
    } finally {
      await closeApps();
    }
  });

  const write = async (scope: ProviderScope): Promise<void> => {
    const notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
    await notes.insert({ text: 'written' });
    expect(await committed(database)).toEqual([]);
  };

  it('[XB1] of run() is committed when the work succeeds', async () => {
    await test.scopes.run(write);
    expect(await committed(database)).toEqual(['written']);
  });

  it('[XB1] of run() is rolled back when the work throws', async () => {
    const error = new Error('no more');
    const work = test.scopes.run(async (scope) => {
      await write(scope);
      throw error;
    });
    await expect(work).rejects.toBe(error);
    expect(await committed(database)).toEqual([]);
  });

  it('[XB1] of open() is committed by complete()', async () => {
    const scope = await test.scopes.open();
    await write(scope);
    await scope.complete();
    expect(await committed(database)).toEqual(['written']);
  });

  it('[XB1] of a block that is left without complete() is rolled back', async () => {
    const work = async (): Promise<void> => {
      const scope = await test.scopes.open();
      try {
        await write(scope);
      } finally {
        await scope[Symbol.asyncDispose](); // what `await using` compiles to
      }
    };
    await work();
    expect(await committed(database)).toEqual([]);
  });

  it('[XB1] of a block that ends with complete() is committed', async () => {
    const scope = await test.scopes.open();
    await write(scope);
    await scope.complete();
    await scope[Symbol.asyncDispose]();
    expect(await committed(database)).toEqual(['written']);
  });

  it('is rolled back when the application closes over it', async () => {
    await write(await test.scopes.open());
    const idle = test.next('shutdown:finished').then(() => pool.totalCount - pool.idleCount);
    await test.app.close();

    expect(await idle).toBe(0);
    expect(await committed(database)).toEqual([]);
  });

  it('fails run() when it cannot be committed', async () => {
    await database.query(
      'ALTER TABLE notes ADD CONSTRAINT one_of_a_text UNIQUE (text) DEFERRABLE INITIALLY DEFERRED',
    );
    const work = test.scopes.run(async (scope) => {
      await write(scope);
      await write(scope);
    });
    await expect(work).rejects.toThrow('one_of_a_text');
    expect(await committed(database)).toEqual([]);
  });

  it('[A2] inside a tick or another scope is independent of the outer one', async () => {
    const work = test.scopes.run(async (outer) => {
      await write(outer);
      await test.scopes.run(write);
      throw new Error('no more');
    });
    await expect(work).rejects.toThrow('no more');
    expect(await committed(database)).toEqual(['written']);
  });
});

describe('On an SQLite file, a standalone scope', () => {
  const withTransaction = ScopedTypeOrmModule.forFeature([Note], { transaction: true });
  let file: TestFile;

  beforeEach(() => (file = createTestFile()));
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  /** Writes a note, and then one that is rolled back. */
  async function writeAndFail(scopes: ProviderScopeFactory): Promise<void> {
    const write = async (scope: ProviderScope, text: string): Promise<void> => {
      const notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
      await notes.insert({ text });
    };
    await scopes.run((scope) => write(scope, 'kept'));
    const failing = scopes.run(async (scope) => {
      await write(scope, 'lost');
      throw new Error('no more');
    });
    await expect(failing).rejects.toThrow('no more');
  }

  it('[XB2] has its transaction before start-up, as for a message of a hybrid application', async () => {
    const { app, scopes } = await compileApp({ imports: [sqliteRoot(file), withTransaction] });
    await writeAndFail(scopes);
    await app.init();
    await writeAndFail(scopes);
    expect(file.committed()).toEqual(['kept', 'kept']);
  });

  it('[XB2] has its transaction if only a lazily loaded module asks for it', async () => {
    @Module({ imports: [withTransaction] })
    class Lazy {}
    const { app, scopes } = await startApp({
      imports: [sqliteRoot(file, { entities: [Note] })],
    });
    await app.get(LazyModuleLoader).load(() => Lazy);
    await writeAndFail(scopes);
    expect(file.committed()).toEqual(['kept']);
  });
});
