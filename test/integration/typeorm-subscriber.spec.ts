import { TypeOrmModule } from '@nestjs/typeorm';
import { EventSubscriber, type EntitySubscriberInterface } from 'typeorm';
import { closeApps } from '../support/app.js';
import { startNoteApp } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { committed, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

type Event = 'afterTransactionCommit' | 'beforeTransactionRollback' | 'beforeTransactionStart';

/** The event for which the subscriber throws next, once. */
let throwsAt: Event | undefined;

function throwOnce(event: Event): void {
  if (throwsAt !== event) return;
  throwsAt = undefined;
  throw new Error('the subscriber failed');
}

@EventSubscriber()
class Throwing implements EntitySubscriberInterface {
  beforeTransactionStart = (): void => throwOnce('beforeTransactionStart');
  afterTransactionCommit = (): void => throwOnce('afterTransactionCommit');
  beforeTransactionRollback = (): void => throwOnce('beforeTransactionRollback');
}

describe('A subscriber that throws once', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS notes'));
  afterEach(async () => {
    throwsAt = undefined;
    await closeApps();
    removeTestFiles();
  });

  describe.each([
    [
      'PostgreSQL',
      () => ({
        root: TypeOrmModule.forRoot({
          type: 'postgres',
          url: database.url,
          autoLoadEntities: true,
          synchronize: true,
          retryAttempts: 0,
          subscribers: [Throwing],
        }),
        rows: () => committed(database),
      }),
    ],
    [
      'SQLite',
      () => {
        const file = createTestFile();
        return {
          root: sqliteRoot(file, { subscribers: [Throwing] }),
          rows: () => Promise.resolve(file.committed()),
        };
      },
    ],
  ])('on %s', (_, on) => {
    it('[XB1] after an inner transaction of an inner one, has nothing committed before the end, or twice', async () => {
      const { root, rows } = on();
      const options = { defaults: { retry: { attempts: 2, backoffMs: 0 } } };
      const test = await startNoteApp(root, { transaction: true }, { options });
      const before: string[][] = [];
      test.script = async ({ notes, manager, tick }) => {
        before.push(await rows());
        await notes.insert({ text: 'a' });
        if (tick.attempt === 1) throwsAt = 'afterTransactionCommit';
        await manager.transaction(async (outer) => {
          await outer
            .transaction((inner) => inner.insert(Note, { text: 'b' }))
            .catch(() => undefined);
        });
      };
      await test.registry.run('work');

      expect(before).toEqual([[], []]);
      expect(await rows()).toEqual(['a', 'b']);
    });

    it('[XB1] before the rollback, has it rolled back nevertheless, and disposers can write', async () => {
      const { root, rows } = on();
      const test = await startNoteApp(root, { transaction: true });
      test.script = async ({ notes, tick }) => {
        await notes.insert({ text: 'a' });
        tick.scope.defer(() => notes.insert({ text: 'deferred' }));
        throwsAt = 'beforeTransactionRollback';
        throw new Error('failed');
      };
      const report = await test.registry.run('work');

      expect(report.disposeErrors.map(String)).toEqual(['Error: the subscriber failed']);
      expect(await rows()).toEqual(['deferred']);
    });

    it('[XB1] before an inner transaction, does not end the transaction of the scope', async () => {
      const { root, rows } = on();
      const test = await startNoteApp(root, { transaction: true });
      test.script = async ({ notes, manager }) => {
        await notes.insert({ text: 'a' });
        throwsAt = 'beforeTransactionStart';
        await manager
          .transaction((inner) => inner.insert(Note, { text: 'b' }))
          .catch(() => undefined);
        await notes.insert({ text: 'c' });
      };
      const report = await test.registry.run('work');

      expect(report.error).toBeUndefined();
      expect(await rows()).toEqual(['a', 'c']);
    });
  });
});
