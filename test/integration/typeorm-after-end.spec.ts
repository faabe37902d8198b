import { Injectable, Scope } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { InjectScopedRepository } from '../../lib/typeorm/index.js';
import { closeApps } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { startNoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { committed, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

@Injectable({ scope: Scope.REQUEST })
class Buffered implements AsyncDisposable {
  constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.notes.insert({ text: 'flushed' });
  }
}

const insert = ({ notes }: NoteScope) => notes.insert({ text: 'written' });

/** Each writes after the commit. */
const Work = {
  deferred: (scope: NoteScope) => scope.tick.scope.defer(() => insert(scope)),
  waitFor: (scope: NoteScope) => {
    const afterCommit = async (): Promise<void> => {
      do await turn();
      while (scope.manager.queryRunner!.isTransactionActive);
      await insert(scope);
    };
    scope.tick.scope.onCommit(() => scope.tick.scope.waitFor(afterCommit()));
  },
};

describe('After the end of the transaction of a scope', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS notes'));
  afterEach(async () => {
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
        }),
        rows: () => committed(database),
      }),
    ],
    [
      'SQLite',
      () => {
        const file = createTestFile();
        return { root: sqliteRoot(file), rows: () => Promise.resolve(file.committed()) };
      },
    ],
  ])('on %s', (_, on) => {
    describe.each([true, false])('if the handler has sent a statement: %p', (sends) => {
      it.each([
        ['a deferred cleanup', Work.deferred],
        ['work that a commit hook passes to waitFor()', Work.waitFor],
      ])('[XB1] keeps what %s writes', async (__, work) => {
        const { root, rows } = on();
        const test = await startNoteApp(root, { transaction: true });
        test.script = async (scope) => {
          if (sends) await scope.notes.count();
          work(scope);
        };
        const report = await test.registry.run('work');

        expect(report).toMatchObject({ outcome: 'succeeded', disposeErrors: [] });
        expect(await rows()).toEqual(['written']);
      });

      it('[XB1] keeps what the disposer of a provider writes, in a standalone scope', async () => {
        const { root, rows } = on();
        const test = await startNoteApp(root, { transaction: true }, { providers: [Buffered] });
        await test.scopes.run(async (scope) => {
          const { notes } = await scope.resolve(Buffered);
          if (sends) await notes.count();
        });

        expect(await rows()).toEqual(['flushed']);
      });
    });

    describe.each([true, false])('in a scope from open() inside a tick: %p', (isInTick) => {
      it('[XB1] keeps what the disposer of a provider writes that ModuleRef has resolved', async () => {
        const { root, rows } = on();
        const test = await startNoteApp(root, { transaction: true }, { providers: [Buffered] });
        const work = async (): Promise<void> => {
          const scope = await test.scopes.open();
          const ref = test.app.get(ModuleRef);
          const { notes } = await ref.resolve(Buffered, scope.contextId, { strict: false });
          await notes.insert({ text: 'body' });
          await scope.complete();
        };
        test.script = work;
        await (isInTick ? test.registry.run('work') : work());

        expect(await rows()).toEqual(['body', 'flushed']);
      });
    });

    it('[XB1] refuses what the handler goes on sending after the COMMIT, although a disposer takes its time', async () => {
      const { root, rows } = on();
      const test = await startNoteApp(root, { transaction: true });
      const disposing = gate();
      const mayEnd = gate();
      let late: Promise<unknown> | undefined;
      test.script = async ({ tick, notes }) => {
        await notes.insert({ text: 'kept' });
        tick.scope.defer(() => (disposing.open(), mayEnd.opened));
        late = disposing.opened.then(() => notes.insert({ text: 'late' }));
        late.catch(() => undefined);
      };
      const report = test.registry.run('work');

      await disposing.opened;
      await expect(late).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
      mayEnd.open();
      expect(await report).toMatchObject({ outcome: 'succeeded' });
      expect(await rows()).toEqual(['kept']);
    });
  });
});
