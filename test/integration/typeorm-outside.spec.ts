import { Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { InjectScopedEntityManager, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { ScopeClosedError, type ScopedWorkerEventMap } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { startNoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

@Injectable({ scope: Scope.REQUEST })
class Query {
  constructor(@InjectScopedEntityManager() private readonly manager: EntityManager) {}

  run(): Promise<unknown> {
    return this.manager.query('SELECT 1 AS one');
  }
}

describe('A scoped entity manager', () => {
  const database = testDatabase();
  afterEach(closeApps);

  const start = () =>
    startApp({
      imports: [
        TypeOrmModule.forRoot({ type: 'postgres', url: database.url }),
        ScopedTypeOrmModule.forFeature([], { transaction: true }),
      ],
      providers: [Query],
    });

  it('refuses statements outside of a scope, where nobody would return its connection', async () => {
    const { app } = await start();
    const outside = await app.resolve(Query, ContextIdFactory.create());

    const error = await outside.run().catch((refused: unknown) => refused);
    expect(error).toBeInstanceOf(ScopeClosedError);
    expect(error).toMatchObject({ code: 'SCOPE_CLOSED', scopeId: undefined });
    expect((error as Error).message).toContain('outside a scope');
    expect((error as Error).stack).toMatch(/ at (async )?Query\..*run/);
    const { master } = app.get(DataSource).driver as unknown as {
      master: { totalCount: number; idleCount: number };
    };
    expect(master.totalCount).toBe(master.idleCount);
  });

  describe.each([
    ['PostgreSQL', () => typeOrmRoot(database)],
    ['an SQLite file', () => sqliteRoot(createTestFile())],
  ])('on %s', (_, root) => {
    afterEach(async () => {
      await closeApps();
      removeTestFiles();
    });

    it.each([true, false])(
      'refuses statements after its scope, and names the tick, with transaction: %j',
      async (transaction) => {
        const test = await startNoteApp(root(), { transaction });
        let late: NoteScope | undefined;
        test.script = (scope) => scope.notes.count().then(() => (late = scope));
        const { tickId } = await test.registry.run('work');
        const { notes, manager } = late!;
        const calls: (() => Promise<unknown>)[] = [
          () => notes.save({ text: 'never' }),
          () => notes.find(),
          () => notes.count(),
          () => manager.query('SELECT 1 AS one'),
          () => manager.queryRunner!.query('SELECT 1 AS one'),
          () => manager.transaction((inner) => inner.save(Note, { text: 'never' })),
          () => manager.queryRunner!.startTransaction(),
        ];
        const errors: unknown[] = [];
        const callLate = async (call: () => Promise<unknown>): Promise<void> => {
          try {
            await call();
          } catch (error) {
            errors.push(error);
          }
        };
        for (const call of calls) await callLate(call);

        expect(errors).toHaveLength(calls.length);
        for (const error of errors) {
          expect(error).toBeInstanceOf(ScopeClosedError);
          const { message, stack, scopeId } = error as ScopeClosedError;
          // Other specs run this one with detection of leaks, which refuses the call itself.
          expect(message).toMatch(
            /^Cannot (use a scoped EntityManager or Repository|call \w+\.\w+): scope /,
          );
          expect(message).toContain(
            `: scope ${scopeId} of work (${tickId}) is closed. Await all work before the handler returns, or pass it to scope.waitFor().`,
          );
          expect(stack).toContain('typeorm-outside.spec.ts');
        }
      },
    );

    it.each([true, false])(
      'refuses what a save() that nobody awaits still sends, and names the tick, with transaction: %j',
      async (transaction) => {
        const test = await startNoteApp(root(), { transaction });
        let floating: Promise<unknown> | undefined;
        test.script = async ({ notes }) => {
          floating = notes.save({ text: 'late' }).catch((refused: unknown) => refused);
        };
        const { tickId } = await test.registry.run('work');

        const error = await floating;
        expect(error).toBeInstanceOf(ScopeClosedError);
        expect((error as Error).message).toContain(
          `of work (${tickId}) is closed. Await all work before the handler returns, or pass it to scope.waitFor().`,
        );
        await expect(test.app.get(DataSource).getRepository(Note).find()).resolves.toEqual([]);
      },
    );
  });

  it('reports a statement that it refuses in a tick, even if the tick catches the error', async () => {
    const test = await startNoteApp(database, { transaction: true }, { providers: [Query] });
    const strays: ScopedWorkerEventMap['failure:stray'][] = [];
    test.events.on('failure:stray', (failure) => strays.push(failure));
    test.script = async () => {
      const outside = await test.app.resolve(Query, ContextIdFactory.create());
      await outside.run().catch(() => undefined);
    };

    await expect(test.registry.run('work')).resolves.toMatchObject({ outcome: 'succeeded' });
    expect(strays).toMatchObject([
      { where: 'refused-statement', schedule: 'work', error: { code: 'SCOPE_CLOSED' } },
    ]);
  });

  it.each([true, false])(
    'reports a statement that it refuses while the scope ends, with transaction: %j',
    async (transaction) => {
      const test = await startNoteApp(database, { transaction });
      const strays: ScopedWorkerEventMap['failure:stray'][] = [];
      test.events.on('failure:stray', (failure) => strays.push(failure));
      const refused = gate();
      const committed = gate();
      test.script = ({ notes, tick }) => {
        // The cleanup runs after the COMMIT, and keeps the scope open until the statement is refused.
        tick.scope.defer(() => {
          committed.open();
          return refused.opened;
        });
        void committed.opened
          .then(() => notes.save({ text: 'never' }))
          .catch(() => undefined)
          .finally(() => refused.open());
        return notes.count();
      };

      const { tickId, outcome } = await test.registry.run('work');
      expect(outcome).toBe('succeeded');
      expect(strays).toMatchObject(
        transaction
          ? [{ where: 'refused-statement', tickId, error: { code: 'SCOPE_CLOSED' } }]
          : [], // without a transaction, the scope still sends it
      );
    },
  );

  it('blames no tick for a statement of an ended tick that had run inside it', async () => {
    const test = await startNoteApp(database, { transaction: true });
    const strays: ScopedWorkerEventMap['failure:stray'][] = [];
    test.events.on('failure:stray', (failure) => strays.push(failure));
    const ended = gate();
    const codes: unknown[] = [];
    let stray: Promise<unknown> | undefined;
    test.script = ({ notes }) => {
      stray = ended.opened
        .then(() => notes.count())
        .catch(({ code }: ScopeClosedError) => codes.push(code));
    };
    const outer = async (): Promise<void> => {
      await test.registry.run('work');
      ended.open();
      await stray;
    };
    await test.scopes.run(outer, { name: 'outer' });

    expect(codes).toEqual(['SCOPE_CLOSED']);
    expect(strays).toEqual([]);
  });

  it('takes statements in a standalone scope', async () => {
    const { scopes } = await start();

    await expect(scopes.run(async (scope) => (await scope.resolve(Query)).run())).resolves.toEqual([
      { one: 1 },
    ]);
  });
});
