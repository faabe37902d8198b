import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityManager } from 'typeorm';
import type { AroundHook } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { startNoteApp, type NoteApp } from '../support/note-worker.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { checkNothingKept, committed, dataSourceOf, poolOf } from '../support/scoped-typeorm.js';

describe('A transaction that a hook of around holds', () => {
  const managers = new AsyncLocalStorage<EntityManager>();
  const transaction: AroundHook = (_tick, next) =>
    dataSourceOf(test).transaction((manager) => managers.run(manager, next));
  const insert = (text: string): Promise<unknown> =>
    managers.getStore()!.query('INSERT INTO notes (text) VALUES ($1)', [text]);

  let database: TestDatabase;
  let test: NoteApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    test = await startNoteApp(database, {}, { options: { around: [transaction] } });
    await database.query(
      'ALTER TABLE notes ADD CONSTRAINT one_of_a_text UNIQUE (text) DEFERRABLE INITIALLY DEFERRED',
    );
  });
  afterEach(() => checkNothingKept(poolOf(test), database));
  afterAll(async () => {
    await closeApps();
    await database.drop();
  });

  it('[L3] whose COMMIT fails has failed the tick, and its rows are gone', async () => {
    test.script = async () => {
      await insert('twice');
      await insert('twice');
    };
    const report = await test.registry.run('work');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'around' });
    expect(String(report.error)).toContain('one_of_a_text');
    expect(await committed(database)).toEqual([]);
  });

  it('is rolled back with the error of the handler, which stays that of the tick', async () => {
    const error = new Error('down');
    test.script = async () => {
      await insert('lost');
      throw error;
    };
    const report = await test.registry.run('work');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
    expect(report.error).toBe(error);
    expect(await committed(database)).toEqual([]);
  });

  it('is committed when the tick has succeeded', async () => {
    test.script = () => insert('once');

    expect(await test.registry.run('work')).toMatchObject({ outcome: 'succeeded' });
    expect(await committed(database)).toEqual(['once']);
  });
});
