import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Repository, type EntityManager } from 'typeorm';
import { closeApps } from '../support/app.js';
import { startNoteApp, type NoteScope } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

/** The transaction of a package such as typeorm-transactional, which replaces `Repository.prototype.manager`. */
const foreign = new AsyncLocalStorage<EntityManager>();
const OWN = Symbol('the manager that the constructor set');

type Patched = Repository<Note> & { [OWN]: EntityManager };

describe('A repository of a scope, while a package replaces the manager of repositories', () => {
  beforeAll(() => {
    Object.defineProperty(Repository.prototype, 'manager', {
      configurable: true,
      get(this: Patched) {
        return foreign.getStore() ?? this[OWN];
      },
      set(this: Patched, manager: EntityManager) {
        this[OWN] = manager;
      },
    });
  });
  afterAll(() => {
    Reflect.deleteProperty(Repository.prototype, 'manager');
  });
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  it.each<[string, (scope: NoteScope) => Repository<Note>]>([
    ['injected', ({ notes }) => notes],
    ['from getRepository()', ({ manager }) => manager.getRepository(Note)],
    ['from extend()', ({ notes }) => notes.extend({}).extend({})],
    ['from withRepository()', ({ manager, notes }) => manager.withRepository(notes)],
  ])('[XB1] writes in the transaction of its scope: %s', async (_, repositoryOf) => {
    const file = createTestFile();
    const test = await startNoteApp(
      { module: class Root {}, imports: [sqliteRoot(file)] },
      { transaction: true },
    );
    const failure = new Error('after the save');
    const save = (scope: NoteScope): Promise<Note> =>
      foreign.run(dataSourceOf(test).manager, () => repositoryOf(scope).save({ text: 'a note' }));
    test.script = async (scope) => {
      await save(scope);
      throw failure;
    };
    expect(await test.registry.run('work')).toMatchObject({ outcome: 'failed', error: failure });
    expect(file.committed()).toEqual([]);

    test.script = save;
    expect(await test.registry.run('work')).toMatchObject({ outcome: 'succeeded' });
    expect(file.committed()).toEqual(['a note']);
  });
});
