import type { DataSource, Repository } from 'typeorm';
import { getScopedRepositoryToken } from '../../lib/typeorm/index.js';
import { closeApps } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { committed, dataSourceOf, Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

const WAITS_FOR_ITSELF = 'could wait for itself';

describe('A scope with a transaction, inside of one that has written', () => {
  let test: NoteApp;
  let dataSource: DataSource;

  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  const run = (script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run('work');
  };
  /** Work in a standalone scope. */
  const inner = <T>(work: (notes: Repository<Note>) => T | Promise<T>): Promise<T> =>
    test.scopes.run(async (scope) =>
      work(await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note))),
    );

  describe('only reads', () => {
    let file: TestFile;
    const database = testDatabase();

    it.each<['PostgreSQL' | 'SQLite']>([['PostgreSQL'], ['SQLite']])(
      'and sees what is committed: on %s',
      async (kind) => {
        file = createTestFile();
        const root = kind === 'SQLite' ? sqliteRoot(file) : typeOrmRoot(database);
        test = await startNoteApp(root, { transaction: true });
        await dataSourceOf(test).getRepository(Note).save({ text: 'committed' });
        const report = await run(async ({ notes }) => {
          await notes.save({ text: 'of the tick' });
          const read = await inner(async (own) => {
            const first = (await own.find()).map(({ text }) => text);
            const again = await own.manager.transaction((manager) => manager.count(Note));
            return { first, again };
          });
          await notes.save({ text: 'after it' });
          return read;
        });

        expect(report.error).toBeUndefined();
        expect(report.value).toEqual({ first: ['committed'], again: 1 });
        expect(kind === 'SQLite' ? file.committed() : await committed(database)).toEqual([
          'after it',
          'committed',
          'of the tick',
        ]);
      },
    );
  });

  describe('on an SQLite file', () => {
    let file: TestFile;

    beforeEach(async () => {
      file = createTestFile();
      test = await startNoteApp(sqliteRoot(file), { transaction: true });
      dataSource = dataSourceOf(test);
    });

    it('[XB1] goes on after an isolation level that TypeORM refuses and the handler catches', async () => {
      const refused: unknown[] = [];
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'before' });
        await manager
          .transaction('READ COMMITTED', () => notes.insert({ text: 'refused' }))
          .catch((error: unknown) => refused.push(error));
        await notes.insert({ text: 'after' });
      });

      expect(refused).toHaveLength(1);
      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['after', 'before']);
    });

    it('is refused with its first write, and can go on reading', async () => {
      const report = await run(async ({ notes }) => {
        await notes.save({ text: 'of the tick' });
        return inner(async (own) => {
          await own.count();
          await expect(own.insert({ text: 'never' })).rejects.toThrow(WAITS_FOR_ITSELF);
          await expect(own.save({ text: 'never' })).rejects.toThrow(WAITS_FOR_ITSELF);
          return own.count();
        });
      });

      expect(report).toMatchObject({ outcome: 'succeeded', value: 0, disposeErrors: [] });
      expect(file.committed()).toEqual(['of the tick']);
    });

    it('reads also when it had to wait before the other had written', async () => {
      await run(({ notes }) => inner((own) => Promise.all([notes.count(), own.count()]))); // opens two connections
      const written = gate();
      const end = gate();
      const held = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'held' });
        written.open();
        await end.opened;
      });
      await written.opened;
      const report = run(async ({ notes }) => {
        const own = notes.save({ text: 'of the tick' });
        await turn();
        const [, read] = await Promise.all([own, inner((other) => other.count())]);
        return read;
      });
      for (let turns = 0; turns < 50; turns += 1) await turn();
      end.open();
      await held;

      expect(await report).toMatchObject({ outcome: 'succeeded', value: 1 });
      expect(file.committed()).toEqual(['held', 'of the tick']);
    });

    it('reads inside of a transaction of the application', async () => {
      const { value, error } = await dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'a' });
        return run(({ notes }) => notes.count());
      });
      expect(error).toBeUndefined();
      expect(value).toBe(0);
    });

    it('cannot write either when the other has ended meanwhile, and keeps nobody from writing', async () => {
      const read = gate();
      const ended = gate();
      const late = gate<unknown>();
      const report = await run(async ({ notes }) => {
        await notes.save({ text: 'of the tick' });
        void inner(async (own) => {
          await own.count();
          read.open();
          await ended.opened;
          await own.save({ text: 'never' });
        }).then(late.open, late.open);
        await read.opened;
      });
      expect(report.error).toBeUndefined();
      ended.open();
      expect(String(await late.opened)).toContain(WAITS_FOR_ITSELF);
      const after = await run(({ notes }) => notes.save({ text: 'after' }));
      expect(after.error).toBeUndefined();
      expect(file.committed()).toEqual(['after', 'of the tick']);
    });

    it('writes as usual while nobody has written', async () => {
      const report = await run(() => inner((own) => own.save({ text: 'inner' })));
      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['inner']);
    });
  });
});
