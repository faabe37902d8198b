import { Injectable, Scope } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type pg from 'pg';
import type { EntityManager, Repository } from 'typeorm';
import { InjectScopedRepository, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, startApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import {
  aborted,
  checkNothingKept,
  committed,
  dataSourceOf,
  idleInTransaction,
  Note,
  poolOf,
  typeOrmRoot,
} from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot } from '../support/sqlite.js';

describe('The transaction of a scope', () => {
  const database = testDatabase();
  let test: NoteApp;
  let pool: pg.Pool;

  const start = async (transaction: boolean): Promise<void> => {
    await closeApps();
    await database.query('DROP TABLE IF EXISTS notes');
    test = await startNoteApp(database, { transaction });
    pool = poolOf(test);
  };
  beforeEach(() => start(true));
  afterEach(async () => {
    try {
      await checkNothingKept(pool, database);
    } finally {
      await closeApps();
      removeTestFiles();
    }
  });

  const run = (script: (scope: NoteScope) => unknown, schedule: 'work' | 'hurry' = 'work') => {
    test.script = script;
    return test.registry.run(schedule);
  };

  it('is begun with the first statement, and not before', async () => {
    await run(async ({ manager, notes }) => {
      expect(manager.queryRunner!.isTransactionActive).toBe(false);
      await notes.count();
      expect(manager.queryRunner!.isTransactionActive).toBe(true);
    });
  });

  it('shows the code that sent a failed statement', async () => {
    async function saveNothing({ notes }: NoteScope): Promise<void> {
      await notes.save({ text: null as never });
    }
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 10; // Node's default
    const { error } = await run(saveNothing).finally(() => (Error.stackTraceLimit = limit));
    expect((error as Error).stack).toContain('saveNothing');
  });

  it('is not there unless it is asked for', async () => {
    await start(false);
    await run(async ({ notes }) => {
      await notes.save({ text: 'kept' });
      throw new Error('too late');
    });

    expect(await committed(database)).toEqual(['kept']);
  });

  it('[XB1] is committed when the handler has succeeded, and seen by nobody before', async () => {
    const report = await run(async ({ notes }) => {
      await notes.insert({ text: 'a' });
      await notes.save([{ text: 'b' }, { text: 'c' }]);
      expect(await committed(database)).toEqual([]);
    });

    expect(report.error).toBeUndefined();
    expect(await committed(database)).toEqual(['a', 'b', 'c']);
  });

  it('[XB1] is committed after work that was passed to waitFor', async () => {
    const later = gate();
    const report = run(({ notes, tick }) => {
      tick.scope.waitFor(later.opened.then(() => notes.save({ text: 'later' })));
    });
    later.open();

    expect(await report).toMatchObject({ outcome: 'succeeded' });
    expect(await committed(database)).toEqual(['later']);
  });

  it('[XB1] is committed with a first statement that the handler has sent and not awaited', async () => {
    let sent: Promise<unknown> | undefined;
    const report = await run(({ manager }) => {
      sent = manager.query(`INSERT INTO notes (text) VALUES ('sent')`);
    });

    await expect(sent).resolves.toBeDefined();
    expect(report.error).toBeUndefined();
    expect(await committed(database)).toEqual(['sent']);
  });

  describe('is rolled back', () => {
    const write = async ({ notes }: NoteScope): Promise<void> => {
      await notes.insert({ text: 'inserted' });
      await notes.save({ text: 'saved' });
    };

    it('[XB1] when the handler has failed', async () => {
      const error = new Error('no more');
      const report = await run(async (scope) => {
        await write(scope);
        throw error;
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
      expect(report.error).toBe(error);
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] when the tick was cancelled', async () => {
      const written = gate();
      const report = run(async (scope) => {
        await write(scope);
        written.open();
        await aborted(scope.tick.signal);
      });
      await written.opened;
      test.registry.cancel('work');

      expect(await report).toMatchObject({ outcome: 'cancelled', disposeErrors: [] });
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] when the time was up, though the handler returned', async () => {
      const report = await run(async (scope) => {
        await write(scope);
        await aborted(scope.tick.signal).catch(() => undefined);
      }, 'hurry');

      expect(report).toMatchObject({ outcome: 'timed-out', disposeErrors: [] });
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] at shutdown, when the handler stops', async () => {
      const written = gate();
      const report = run(async (scope) => {
        await write(scope);
        written.open();
        await aborted(scope.tick.signal);
      });
      await written.opened;
      await test.app.close();

      expect(await report).toMatchObject({ outcome: 'cancelled', disposeErrors: [] });
      expect(await committed(database)).toEqual([]);
    });

    it('with a save() that is still under way, of which nothing is kept', async () => {
      const under: Promise<unknown>[] = [];
      const report = await run(async ({ notes }) => {
        under.push(notes.save({ text: 'a' }));
        under[0]!.catch(() => undefined);
        await turn(); // BEGIN is sent, and its savepoint is not
        throw new Error('no more');
      });
      await Promise.allSettled(under);

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
      expect(await committed(database)).toEqual([]);
    });

    it('and a disposer may write afterwards, even if exclusive work resolved the connection', async () => {
      await closeApps();
      await database.query('DROP TABLE IF EXISTS notes');

      @Injectable({ scope: Scope.REQUEST })
      class Notes {
        constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}

        async [Symbol.asyncDispose](): Promise<void> {
          await this.notes.insert({ text: 'disposed' });
        }
      }
      const { app, scopes, registry } = await startApp({
        imports: [
          typeOrmRoot(database),
          ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
        ],
        providers: [Notes],
      });
      const work = scopes.run((scope) =>
        registry.exclusive('notes', async () => {
          const { notes } = await app
            .get(ModuleRef)
            .resolve(Notes, scope.contextId, { strict: false });
          await notes.insert({ text: 'before' });
          throw new Error('no more');
        }),
      );

      await expect(work).rejects.toThrow(/^no more$/);
      expect(await committed(database)).toEqual(['disposed']);
    });

    it('[XB1] with what the handler goes on sending, although a disposer takes its time', async () => {
      const disposing = gate();
      const mayEnd = gate();
      const goOn = gate();
      let late: Promise<unknown> | undefined;
      const ended = run(async ({ notes, manager, tick }) => {
        await notes.insert({ text: 'before' });
        tick.scope.defer(() => manager.query(`INSERT INTO notes (text) VALUES ('disposed')`));
        tick.scope.defer(() => {
          disposing.open();
          return mayEnd.opened;
        });
        late = goOn.opened.then(() => notes.insert({ text: 'late' }));
        late.catch(() => undefined);
        await Promise.all([Promise.reject(new Error('no more')), late]);
      });
      await disposing.opened;
      goOn.open();

      await expect(late).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
      mayEnd.open();
      expect(await ended).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
      expect(await committed(database)).toEqual(['disposed']);
    });

    it('when the first statement fails', async () => {
      const report = await run(({ manager }) => manager.query('SELECT 1/0'));

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
      expect(String(report.error)).toContain('division by zero');
    });
  });

  describe('when it cannot be committed', () => {
    it('[XB1] because a statement outside the query runner has failed, the tick fails', async () => {
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'lost' });
        const client = (await manager.queryRunner!.connect()) as pg.PoolClient;
        await client.query('SELECT 1 / 0').catch(() => undefined);
        await client.query('SELECT 1').catch(() => undefined); // the driver knows of the first failure by now
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect((report.error as Error).message).toMatch('cannot be committed');
      expect(await committed(database)).toEqual([]);
    });

    it.each<[string, (client: pg.PoolClient) => Promise<unknown>]>([
      ['is noticed', (client) => new Promise((resolve) => client.once('end', () => resolve(0)))],
      ['is not noticed yet', () => Promise.resolve()],
    ])('[XB1] because its connection is lost, which %s, the tick fails', async (_, noticed) => {
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'lost' });
        const [{ pid }] = await manager.query('SELECT pg_backend_pid() AS pid');
        const lost = noticed((await manager.queryRunner!.connect()) as pg.PoolClient);
        await database.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
        await lost;
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] because its connection is lost during SAVEPOINT, the statement of a rollback hook says so', async () => {
      const report = await run(async ({ manager, notes, tick }) => {
        tick.scope.onRollback(() => notes.insert({ text: 'of the hook' }));
        await notes.insert({ text: 'lost' });
        const client = (await manager.queryRunner!.connect()) as pg.PoolClient;
        const query = client.query.bind(client) as (...args: unknown[]) => unknown;
        client.query = (...args: unknown[]) => {
          const sent = query(...args);
          if (args[0] === 'SAVEPOINT typeorm_1') client.connection.stream.destroy();
          return sent as never;
        };
        await manager.transaction((inner) => inner.query('SELECT 1'));
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect(String(report.error)).toContain('Connection terminated');
      expect(String(report.disposeErrors)).toContain('lost before COMMIT');
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] because the data source was destroyed, the tick fails', async () => {
      const report = await run(async ({ notes }) => {
        await notes.insert({ text: 'lost' });
        await dataSourceOf(test).destroy();
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(await committed(database)).toEqual([]);
    });

    beforeEach(() =>
      database.query(
        'ALTER TABLE notes ADD CONSTRAINT one_of_a_text UNIQUE (text) DEFERRABLE INITIALLY DEFERRED',
      ),
    );

    it('[XB1] the tick has failed in the phase commit, and everything is rolled back', async () => {
      const report = await run(async ({ notes }) => {
        await notes.insert({ text: 'twice' });
        await notes.insert({ text: 'twice' });
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(String(report.error)).toContain('one_of_a_text');
      expect(await committed(database)).toEqual([]);
    });

    it('the allowed neighbor is committed', async () => {
      const report = await run(async ({ notes }) => {
        await notes.insert({ text: 'twice' });
        const { id } = await notes.save({ text: 'twice' });
        await notes.update(id, { text: 'once' });
      });

      expect(report.outcome).toBe('succeeded');
      expect(await committed(database)).toEqual(['once', 'twice']);
    });
  });

  describe('when an inner transaction is still open', () => {
    it('[XB1] the tick fails if an inner transaction that nobody awaits is half done, and nothing is kept', async () => {
      const half = gate();
      const rest = gate();
      let inner: Promise<unknown> | undefined;
      const report = await run(async ({ manager }) => {
        inner = manager.transaction(async (within) => {
          await within.query(`INSERT INTO notes (text) VALUES ('debit')`);
          half.open();
          await rest.opened;
          await within.query(`INSERT INTO notes (text) VALUES ('credit')`);
        });
        inner.catch(() => undefined);
        await half.opened;
      });
      rest.open();

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', disposeErrors: [] });
      expect((report.error as Error).message).toBe(
        'The transaction of the scope cannot be committed: a transaction inside it has not ended. Await every save() and manager.transaction(), even if part of the work fails.',
      );
      await expect(inner).rejects.toMatchObject({ code: 'SCOPE_CLOSED' });
      expect(await committed(database)).toEqual([]);
    });
  });

  describe('when a statement fails and the handler goes on', () => {
    it('[XB1] the tick has failed in the phase commit, with the reason: nothing is lost silently', async () => {
      const report = await run(async ({ notes, manager }) => {
        await notes.insert({ text: 'before' });
        await manager.query('SELECT 1/0').catch(() => undefined);
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      const error = report.error as Error;
      expect(error.message).toBe(
        'The transaction of the scope cannot be committed: one of its statements failed, and the handler continued. Let the error propagate, or run the statement in entityManager.transaction().',
      );
      expect(String(error.cause)).toContain('division by zero');
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] nothing is lost silently if it fails while the scope commits, because nobody awaited it', async () => {
      const report = await run(async ({ notes, manager }) => {
        await notes.insert({ text: 'before' });
        void manager.query('SELECT 1/0').catch(() => undefined);
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect((report.error as Error).message).toMatch('one of its statements failed');
      expect(await committed(database)).toEqual([]);
    });

    it('in its own transaction, only that is lost', async () => {
      const report = await run(async ({ notes, manager }) => {
        await notes.insert({ text: 'before' });
        await manager
          .transaction(async (nested) => {
            await nested.query(`INSERT INTO notes (text) VALUES ('nested')`);
            await nested.query('SELECT 1/0');
          })
          .catch(() => undefined);
        await notes.insert({ text: 'after' });
      });

      expect(report.error).toBeUndefined();
      expect(await committed(database)).toEqual(['after', 'before']);
    });

    it('after a nested transaction that succeeded, nothing is lost silently either', async () => {
      const report = await run(async ({ notes, manager }) => {
        await manager.transaction((nested) => nested.query('SELECT 1'));
        await notes.insert({ text: 'before' });
        await manager.query('SELECT 1/0').catch(() => undefined);
        await manager.transaction((nested) => nested.query('SELECT 1')).catch(() => undefined);
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(await committed(database)).toEqual([]);
    });

    it('a save() that failed is reported as well', async () => {
      const report = await run(async ({ notes }) => {
        await notes.insert({ text: 'before' });
        await notes.save({ text: null as never }).catch(() => undefined);
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(await committed(database)).toEqual([]);
    });
  });

  describe('with transactions inside', () => {
    it('commits what manager.transaction() made, nested too', async () => {
      const report = await run(({ manager }) =>
        manager.transaction(async (outer) => {
          await outer.query(`INSERT INTO notes (text) VALUES ('outer')`);
          await outer.transaction((inner) =>
            inner.query(`INSERT INTO notes (text) VALUES ('inner')`),
          );
        }),
      );

      expect(report.error).toBeUndefined();
      expect(await committed(database)).toEqual(['inner', 'outer']);
    });

    it('rolls that back with the rest', async () => {
      const report = await run(async ({ manager }) => {
        await manager.transaction((nested) =>
          nested.query(`INSERT INTO notes (text) VALUES ('nested')`),
        );
        throw new Error('no more');
      });

      expect(report).toMatchObject({ outcome: 'failed', disposeErrors: [] });
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] begins with the isolation level of the first statement, a manager.transaction()', async () => {
      const report = await run(({ manager }) =>
        manager.transaction('SERIALIZABLE', (inner) => inner.query('SHOW transaction_isolation')),
      );

      expect(report.error).toBeUndefined();
      expect(report.value).toEqual([{ transaction_isolation: 'serializable' }]);
    });

    it('[XB1] refuses an isolation level that the transaction does not have', async () => {
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'before' });
        await manager.transaction('SERIALIZABLE', (inner) => inner.query('SELECT 1'));
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect((report.error as Error).message).toBe(
        'The transaction of the scope has already begun, so its isolation level can no longer change. The library refused an inner transaction at the isolation level SERIALIZABLE. Call manager.transaction() with this level before any other statement, or set isolationLevel for the data source.',
      );
      expect(await committed(database)).toEqual([]);
    });

    it.each<[string, (manager: EntityManager, work: () => Promise<unknown>) => Promise<unknown>]>([
      ['in the transaction of the scope', (_, work) => work()],
      ['in a transaction inside it', (manager, work) => manager.transaction(work)],
      [
        'beside a statement that is sent at the same moment',
        (manager, work) => Promise.all([work(), manager.query('SELECT 1'), turn()]),
      ],
    ])('[XB1] goes on after a refused isolation level that it catches, %s', async (_, within) => {
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'before' });
        await within(manager, async () => {
          await notes.insert({ text: 'beside' });
          await manager
            .transaction('SERIALIZABLE', () => notes.insert({ text: 'refused' }))
            .catch(() => undefined);
        });
        await notes.insert({ text: 'after' });
      });

      expect(report.error).toBeUndefined();
      expect(await committed(database)).toEqual(['after', 'before', 'beside']);
    });

    it('rolls back what the handler left open', async () => {
      const report = await run(async ({ manager, notes }) => {
        await manager.queryRunner!.startTransaction();
        await notes.insert({ text: 'left open' });
        throw new Error('no more');
      });

      expect(report).toMatchObject({ outcome: 'failed', disposeErrors: [] });
      expect(await committed(database)).toEqual([]);
    });
  });

  describe('when statements are sent at once', () => {
    it.each([2, 3, 7])('%d of save() as the first ones are committed together', async (count) => {
      const report = await run(({ notes }) =>
        Promise.all(Array.from({ length: count }, (_, index) => notes.save({ text: `${index}` }))),
      );

      expect(report.error).toBeUndefined();
      expect(await committed(database)).toHaveLength(count);
    });

    it('one that fails takes all with it', async () => {
      const report = await run(({ notes }) =>
        Promise.all([
          notes.save({ text: 'a' }),
          notes.save({ text: null as never }),
          notes.save({ text: 'b' }),
        ]),
      );

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect(await committed(database)).toEqual([]);
    });

    it.each([
      ['', 'abc', ([error]: unknown[]) => error],
      [', and a later statement says so too', 'abcdefg', ([, error]: unknown[]) => error],
    ])('one that fails and is swallowed is not lost silently%s', async (_, texts, errorOf) => {
      let later: unknown;
      const report = await run(async ({ notes }) => {
        await Promise.allSettled(
          texts
            .split('')
            .map((text) => notes.save({ text: text === 'b' ? (null as never) : text })),
        );
        await notes.count().catch((error: unknown) => (later = error));
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      const error = errorOf([report.error, later]) as Error;
      expect(error.message).toContain('one of its statements failed, and the handler continued');
      expect(String(error.cause)).toContain('null value in column "text"');
      expect(await committed(database)).toEqual([]);
    });

    it('[XB1] one that fails in a nested transaction, beside another one, does not pass unnoticed either', async () => {
      const report = await run(async ({ notes, manager }) => {
        await notes.insert({ text: 'a' });
        const nested = manager.transaction(async (own) => {
          const failed = own.query('SELECT 1 / 0');
          await Promise.allSettled([failed, own.query('SELECT 1')]);
          await failed;
        });
        await nested.catch(() => undefined);
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(String((report.error as Error).cause)).toContain('division by zero');
      expect(await committed(database)).toEqual([]);
    });
  });

  // TypeORM names savepoints by depth, so transactions at once on one query runner disturb each other.
  describe.each([true, false])(
    'when transactions are sent at once, and transaction is %j',
    (on) => {
      const insert = (text: string) => (manager: EntityManager) =>
        manager.query(`INSERT INTO notes (text) VALUES ('${text}')`);
      const atOnce = ({ manager }: NoteScope, ...texts: string[]) =>
        Promise.all(texts.map((text) => manager.transaction(insert(text))));

      beforeEach(() => start(on));

      it('the tick has failed or all of them are committed', async () => {
        const report = await run((scope) => atOnce(scope, 'a', 'b', 'c'));

        expect(await committed(database)).toEqual(
          report.outcome === 'succeeded' ? ['a', 'b', 'c'] : [],
        );
      });

      it('the connection is clean for the next tick', async () => {
        await run((scope) => atOnce(scope, 'a', 'b', 'c'));
        expect(await idleInTransaction(database)).toBe(0);

        const report = await run(({ notes }) => notes.insert({ text: 'next' }));
        expect(report.error).toBeUndefined();
        expect(await committed(database)).toContain('next');
      });
    },
  );

  describe('when the handler ends it by itself', () => {
    it.each<[string, 'handler' | 'commit', (sent: Promise<unknown>) => unknown]>([
      ['fails', 'handler', (sent) => sent],
      ['catches the error, and fails', 'commit', (sent) => sent.catch(() => undefined)],
    ])(
      '[XB1] with a rollback, that is refused: the tick %s in the phase %s',
      async (_, phase, go) => {
        const report = await run(async ({ notes, manager }) => {
          await notes.insert({ text: 'rolled back' });
          await go(manager.queryRunner!.rollbackTransaction());
          expect(await idleInTransaction(database)).toBe(1);
        });

        expect(report).toMatchObject({ outcome: 'failed', phase, disposeErrors: [] });
        expect((report.error as Error).message).toBe(
          'The library refused a statement that would end the transaction of the scope (ROLLBACK), because only the scope may end it. Throw to roll it back, or omit { transaction: true }.',
        );
        expect(await committed(database)).toEqual([]);
      },
    );

    it('[XB1] by a statement after a comment, nothing is committed either', async () => {
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'rolled back' });
        await manager.query('/* by hand */ COMMIT -- now');
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect((report.error as Error).message).toMatch('end the transaction of the scope (COMMIT');
      expect(await committed(database)).toEqual([]);
    });

    it.each([true, false])(
      '[XB1] by the first statement, the tick fails, also on SQLite: %p',
      async (isSqlite) => {
        if (isSqlite)
          test = await startNoteApp(sqliteRoot(createTestFile()), { transaction: true });
        const report = await run(async ({ manager, notes, tick }) => {
          tick.scope.onRollback(() => notes.insert({ text: 'of the hook' }));
          await manager.query('COMMIT').catch(() => undefined);
        });

        expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
        expect((report.error as Error).message).toMatch('end the transaction of the scope (COMMIT');
        expect(await dataSourceOf(test).manager.count(Note)).toBe(0);
      },
    );

    describe.each([true, false])('on SQLite: %p', (isSqlite) => {
      it.each([
        'BEGIN',
        'begin transaction;',
        '-- by hand\nBEGIN',
        ...(isSqlite ? ['BEGIN IMMEDIATE'] : ['START TRANSACTION READ ONLY']),
      ])('[XB1] a statement that begins another one is refused: %s', async (statement) => {
        if (isSqlite)
          test = await startNoteApp(sqliteRoot(createTestFile()), { transaction: true });
        const refused: unknown[] = [];
        const report = await run(async ({ manager, notes }) => {
          const begin = () => manager.query(statement).catch((error: Error) => error.message);
          refused.push(await begin());
          await notes.insert({ text: 'kept' });
          refused.push(await begin());
        });

        const text = statement.replace(/^--.*\n/, '');
        const message = `The library refused a statement that would begin another transaction (${text}), because the scope has one already. Call manager.transaction(), which sets a savepoint, or omit { transaction: true }.`;
        expect(refused).toEqual([message, message]);
        expect(report).toMatchObject({ outcome: 'succeeded' });
        expect(await dataSourceOf(test).manager.count(Note)).toBe(1);
      });
    });

    it('without { transaction: true }, it may end its own', async () => {
      await start(false);
      const report = await run(async ({ manager, notes }) => {
        await manager.query('BEGIN');
        await notes.insert({ text: 'kept' });
        await manager.query('COMMIT');
      });

      expect(report).toMatchObject({ outcome: 'succeeded' });
      expect(await committed(database)).toEqual(['kept']);
    });

    it.each(['/* outer /* inner */ */ COMMIT', 'SELECT 1; COMMIT'])(
      '[XB1] by %s, which only the database recognizes, the tick fails too',
      async (statement) => {
        const report = await run(async ({ notes, manager }) => {
          await notes.insert({ text: 'before' });
          await manager.query(statement);
        });

        expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
        expect((report.error as Error).message).toMatch(
          'ended the transaction of the scope with a statement that the library did not recognize',
        );
      },
    );

    it('what it sends afterwards is not kept when it fails', async () => {
      const report = await run(async ({ notes, manager }) => {
        await notes.insert({ text: 'before' });
        await manager.queryRunner!.rollbackTransaction();
        await notes.insert({ text: 'after' });
        throw new Error('no more');
      });

      expect(report.outcome).toBe('failed');
      expect(await committed(database)).toEqual([]);
    });

    it('with BEGIN as a statement, the connection is clean for the next tick', async () => {
      await start(false);
      const report = await run(async ({ manager, notes }) => {
        await manager.query('BEGIN');
        await notes.insert({ text: 'left open' });
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
      expect((report.error as Error).message).toBe(
        'A transaction was still open on the connection of the scope, so the library rolled it back. Either the handler began a transaction and did not end it, or it did not await a save() or a manager.transaction(). Await each of them. Instead of beginning a transaction by hand, set { transaction: true }.',
      );

      expect(await idleInTransaction(database)).toBe(0);
      expect(await committed(database)).toEqual([]);
    });

    it.each([0, 1, 2, 5, 10, 20, 40])(
      'with a save() that it does not await, the connection is clean for the next tick (%d)',
      async (turns) => {
        await start(false);
        let saved: Promise<unknown> | undefined;
        await run(async ({ manager, notes }) => {
          await manager.query('SELECT 1');
          saved = notes.save({ text: 'not awaited' });
          saved.catch(() => undefined);
          for (let at = 0; at < turns; at += 1) await Promise.resolve();
        });
        await Promise.allSettled([saved]);

        expect(await idleInTransaction(database)).toBe(0);
      },
    );

    it('and sends another statement, that one says that the connection is lost', async () => {
      const report = await run(async ({ manager, notes }) => {
        await notes.insert({ text: 'first' });
        await manager.queryRunner!.release();
        await notes.insert({ text: 'second' });
      });
      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
      expect(await committed(database)).toEqual([]);
    });

    it.each([true, false])(
      'destroy() of the data source does not wait for its statement, transaction: %p',
      async (transaction) => {
        await start(transaction);
        const begun = gate();
        const report = run(async ({ manager, notes }) => {
          if (!transaction) await manager.queryRunner!.startTransaction();
          await notes.insert({ text: 'left open' });
          begun.open();
          await manager.query('SELECT pg_sleep(60)');
        });
        await begun.opened;
        await dataSourceOf(test).destroy(); // the statement would make it wait for a minute
        await database.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`,
        );
        expect((await report).outcome).toBe('failed');
        expect(await committed(database)).toEqual([]);
      },
    );

    it.each([true, false])(
      'destroy() of the data source does not wait for its COMMIT either, transaction: %p',
      async (transaction) => {
        await start(transaction);
        await database.query(
          `CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
           AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'`,
        );
        await database.query(
          `CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION wait()`,
        );
        const report = run(({ notes }) => notes.save({ text: 'left open' }));
        const sleeping = `pid FROM pg_stat_activity
          WHERE datname = current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'`;
        while ((await database.query(`SELECT ${sleeping}`)).length === 0) await turn();
        await dataSourceOf(test).destroy(); // the statement would make it wait for a minute
        await database.query(
          `SELECT pg_terminate_backend(pid) FROM (SELECT ${sleeping}) AS commits`,
        );
        expect((await report).outcome).toBe('failed');
        expect(await committed(database)).toEqual([]);
      },
    );

    it.each([
      [true, { phase: 'commit', message: 'lost before COMMIT' }],
      [false, { phase: 'dispose', message: 'was still open on the connection of the scope' }],
    ])(
      'when it releases the query runner, the connection is clean for others, transaction: %p',
      async (transaction, { phase, message }) => {
        await start(transaction);
        const report = await run(async ({ manager, notes }) => {
          const runner = manager.queryRunner!;
          if (!transaction) await runner.startTransaction();
          await notes.insert({ text: 'left open' });
          await runner.release();
          expect(await idleInTransaction(database)).toBe(0);
        });

        expect(report).toMatchObject({ outcome: 'failed', phase });
        expect(String(report.error)).toContain(message);
        expect(await committed(database)).toEqual([]);
      },
    );
  });
});
