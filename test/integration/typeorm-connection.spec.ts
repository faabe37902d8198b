import { Injectable, Module } from '@nestjs/common';
import type { EntityManager, QueryRunner, Repository } from 'typeorm';
import { ScopedCron, ScopedWorker } from '../../lib/index.js';
import {
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { ScopedConnection } from '../../lib/typeorm/scoped-connection.js';
import { closeApps, startApp } from '../support/app.js';
import { gate } from '../support/gate.js';
import { startNoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { YEARLY } from '../support/probes.js';
import {
  aborted,
  committed,
  emptyPool,
  Note,
  poolOf,
  typeOrmRoot,
} from '../support/scoped-typeorm.js';

describe('The connection of a scope', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS notes'));
  afterEach(closeApps);

  it('[A1] is one for the manager and all repositories of the tick, also across modules', async () => {
    const runners: (QueryRunner | undefined)[] = [];
    const managers: EntityManager[] = [];

    @Injectable()
    class Archive {
      constructor(
        @InjectScopedEntityManager() readonly manager: EntityManager,
        @InjectScopedRepository(Note) readonly notes: Repository<Note>,
      ) {}
    }
    @Module({
      imports: [ScopedTypeOrmModule.forFeature([Note])],
      providers: [Archive],
      exports: [Archive],
    })
    class ArchiveModule {}
    @ScopedWorker()
    class Worker {
      constructor(
        @InjectScopedEntityManager() readonly manager: EntityManager,
        @InjectScopedRepository(Note) readonly notes: Repository<Note>,
        readonly archive: Archive,
      ) {}

      @ScopedCron(YEARLY)
      work(): void {
        managers.push(this.manager, this.notes.manager);
        managers.push(this.archive.manager, this.archive.notes.manager);
        runners.push(...managers.map(({ queryRunner }) => queryRunner));
      }
    }
    const { registry } = await startApp({
      imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note]), ArchiveModule],
      providers: [Worker],
    });

    expect((await registry.run('Worker.work')).outcome).toBe('succeeded');
    expect(managers).toHaveLength(4);
    expect(new Set(managers).size).toBe(1);
    expect(runners[0]).toBeDefined();
    expect(new Set(runners).size).toBe(1);
  });

  it('[A11] is new on every tick, with a new entity manager', async () => {
    const test = await startNoteApp(database, {});
    const seen: NoteScope[] = [];
    test.script = (scope) => void seen.push(scope);
    await test.registry.run('work');
    await test.registry.run('work');

    const [first, second] = seen;
    expect(first!.manager).not.toBe(second!.manager);
    expect(first!.notes).not.toBe(second!.notes);
    expect(first!.manager.queryRunner).not.toBe(second!.manager.queryRunner);
    expect(first!.manager.queryRunner!.isReleased).toBe(true);
  });

  describe.each([{ transaction: false }, { transaction: true }])('with %j', (options) => {
    it('is taken on first use: a tick that sends nothing takes none', async () => {
      const test = await startNoteApp(database, options);
      const pool = poolOf(test);
      await emptyPool(pool);

      expect((await test.registry.run('work')).outcome).toBe('succeeded');
      expect(pool.totalCount).toBe(0);

      test.script = ({ notes }) => notes.count();
      expect((await test.registry.run('work')).outcome).toBe('succeeded');
      expect({ idle: pool.idleCount, total: pool.totalCount }).toEqual({ idle: 1, total: 1 });
    });

    it('is separate for each of two ticks at once', async () => {
      const test = await startNoteApp(database, options);
      const both = [gate(), gate()];
      const release = gate();
      const pids: number[] = [];
      test.script = async ({ manager }) => {
        const [row] = await manager.query('SELECT pg_backend_pid() AS pid');
        both[pids.push(row.pid) - 1]!.open();
        await release.opened;
      };
      const reports = [test.registry.run('work'), test.registry.run('work')];
      await Promise.all(both.map(({ opened }) => opened));
      release.open();

      await Promise.all(reports);
      expect(new Set(pids).size).toBe(2);
    });

    describe('goes back', () => {
      const used = async ({ notes }: NoteScope): Promise<void> =>
        void (await notes.save({ text: 'x' }));
      const endings: [string, 'work' | 'hurry', NonNullable<unknown>, (s: NoteScope) => unknown][] =
        [
          ['after success', 'work', { outcome: 'succeeded' }, used],
          [
            'after failure',
            'work',
            { outcome: 'failed', phase: 'handler' },
            async (scope) => {
              await used(scope);
              throw new Error('no more');
            },
          ],
          [
            'after a failed statement',
            'work',
            { outcome: 'failed', phase: 'handler' },
            ({ manager }) => manager.query('SELECT 1/0'),
          ],
          [
            'after a timeout',
            'hurry',
            { outcome: 'timed-out' },
            async (scope) => {
              await used(scope);
              await aborted(scope.tick.signal);
            },
          ],
        ];

      it.each(endings)('%s', async (_, schedule, report, script) => {
        const test = await startNoteApp(database, options);
        test.script = script;

        expect(await test.registry.run(schedule)).toMatchObject(report);
        const pool = poolOf(test);
        expect(pool.totalCount).toBeGreaterThan(0);
        expect(pool.idleCount).toBe(pool.totalCount);
      });

      it('after a cancellation', async () => {
        const test = await startNoteApp(database, options);
        const inside = gate();
        test.script = async (scope) => {
          await used(scope);
          inside.open();
          await aborted(scope.tick.signal);
        };
        const report = test.registry.run('work');
        await inside.opened;
        test.registry.cancel('work');

        expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
        const pool = poolOf(test);
        expect(pool.idleCount).toBe(pool.totalCount);
      });

      it('at shutdown, before the data source is destroyed', async () => {
        const test = await startNoteApp(database, options);
        const inside = gate();
        test.script = async (scope) => {
          await used(scope);
          inside.open();
          await aborted(scope.tick.signal);
        };
        const pool = poolOf(test);
        const report = test.registry.run('work');
        await inside.opened;
        const atEnd = test.next('shutdown:finished').then(() => ({
          idle: pool.idleCount,
          total: pool.totalCount,
        }));
        await test.app.close();

        expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
        const { idle, total } = await atEnd;
        expect(total).toBeGreaterThan(0);
        expect(idle).toBe(total);
      });

      it('when the tick ends while the connection is still being taken', async () => {
        const test = await startNoteApp(database, options);
        const pool = poolOf(test);
        await emptyPool(pool);
        test.script = ({ manager }) => {
          manager.query('SELECT 1').catch(() => undefined);
        };
        await test.registry.run('work');

        expect(pool.idleCount).toBe(pool.totalCount);
      });
    });

    it('serves statements that a handler sends at once', async () => {
      const test = await startNoteApp(database, options);
      test.script = ({ notes, manager }) =>
        Promise.all([
          ...Array.from({ length: 5 }, (_, index) => notes.save({ text: `note ${index}` })),
          manager.query('SELECT 1'),
          notes.count(),
        ]);

      const report = await test.registry.run('work');
      expect(report.error).toBeUndefined();
      expect(report.outcome).toBe('succeeded');
      expect(await committed(database)).toEqual(['note 0', 'note 1', 'note 2', 'note 3', 'note 4']);
    });
  });

  it('[B33] fails the tick when it breaks, and the next tick is tried on a new one', async () => {
    const test = await startNoteApp(database, {});
    test.script = async ({ manager }) => {
      const [row] = await manager.query('SELECT pg_backend_pid() AS pid');
      await database.query('SELECT pg_terminate_backend($1, 5000)', [row.pid]);
      await manager.query('SELECT 1');
    };
    expect(await test.registry.run('work')).toMatchObject({ outcome: 'failed', phase: 'handler' });

    test.script = ({ notes }) => notes.count();
    expect(await test.registry.run('work')).toMatchObject({ outcome: 'succeeded', value: 0 });
    const pool = poolOf(test);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  /** The connection of a scope on a fake driver, whose statements succeed unless an error is in `answers`. */
  const connectionOf = (driver: string, transactional: boolean) => {
    const sent: [string, boolean][] = [];
    const answers: Error[] = [];
    const nothing = async (): Promise<void> => undefined;
    const create = (): object => ({});
    const runner = {
      isReleased: false,
      isTransactionActive: false,
      manager: {
        query: nothing,
        transaction: nothing,
        getRepository: create,
        getTreeRepository: create,
        withRepository: create,
      },
      connect: async () => ({}),
      // On SQL Server, it takes another connection of the pool when no transaction is active.
      query: async (sql: string) => {
        sent.push([sql, runner.isTransactionActive]);
        const error = answers.shift();
        if (error !== undefined) throw error;
      },
      stream: nothing,
      startTransaction: async () => void (runner.isTransactionActive = true),
      commitTransaction: async () => void (runner.isTransactionActive = false),
      rollbackTransaction: nothing,
      release: nothing,
    };
    const connection = new ScopedConnection(
      runner as unknown as QueryRunner,
      driver,
      transactional,
    );
    void connection.onScopeInit();
    return { sent, answers, runner, connection };
  };

  describe('on SQL Server', () => {
    it.each([
      [false, 'was still open on the connection of the scope'],
      [true, 'still running when the scope ended'],
    ])(
      'sends ROLLBACK on the connection of a transaction that was left open, with transaction: %j',
      async (transactional, reason) => {
        const { sent, runner, connection } = connectionOf('mssql', transactional);
        await connection.onScopeCommit();
        runner.isTransactionActive = true;
        await expect(connection[Symbol.asyncDispose]()).rejects.toThrow(reason);
        expect(sent).toEqual([['ROLLBACK', true]]);
      },
    );

    it('takes a rollback to a savepoint for what it is', async () => {
      const { sent, runner, connection } = connectionOf('mssql', true);
      const statements = ['INSERT 1', 'ROLLBACK TRANSACTION typeorm_1', 'INSERT 2'];
      for (const statement of statements) await runner.query(statement);
      await expect(connection.onScopeCommit()).resolves.toBe('committed');
      expect(sent).toEqual(statements.map((statement) => [statement, true]));
    });

    it('refuses a rollback of the whole transaction, and to commit after it', async () => {
      const { sent, runner, connection } = connectionOf('mssql', true);
      await runner.query('INSERT 1');
      const refusal = 'refused a statement that would end the transaction';
      await expect(runner.query('ROLLBACK TRANSACTION')).rejects.toThrow(refusal);
      await expect(connection.onScopeCommit()).rejects.toThrow(refusal);
      expect(sent).toEqual([['INSERT 1', true]]);
    });
  });

  describe.each([
    ['mysql', { errno: 1213 }],
    ['mariadb', { errno: 1213 }],
    ['mssql', { number: 1205 }],
  ] as const)('on %s, when the scope is the victim of a deadlock', (driver, driverError) => {
    it('[XB1] sends nothing more, and refuses to commit: the database has rolled everything back', async () => {
      const { sent, runner, connection, answers } = connectionOf(driver, true);
      await runner.query('INSERT 1');
      const error = Object.assign(new Error('deadlock'), { driverError });
      answers.push(error);
      await expect(runner.query('UPDATE 2')).rejects.toBe(error);
      const refusal = 'rolled back the transaction of the scope when a statement failed';
      await expect(runner.query('INSERT 3')).rejects.toThrow(refusal);
      await expect(connection.onScopeCommit()).rejects.toThrow(refusal);
      expect(sent.map(([sql]) => sql)).toEqual(['INSERT 1', 'UPDATE 2']);
    });

    it('goes on after any other error', async () => {
      const { runner, connection, answers } = connectionOf(driver, true);
      await runner.query('INSERT 1');
      answers.push(Object.assign(new Error('duplicate'), { driverError: { errno: 1062 } }));
      await expect(runner.query('INSERT 2')).rejects.toThrow('duplicate');
      await expect(connection.onScopeCommit()).resolves.toBe('committed');
    });
  });

  describe('on MySQL, without { transaction: true }', () => {
    it('[XB1] rolls back a transaction that a statement has begun and none has ended', async () => {
      const { sent, runner, connection } = connectionOf('mysql', false);
      await runner.query('START TRANSACTION');
      await connection.onScopeCommit();
      await expect(connection[Symbol.asyncDispose]()).rejects.toThrow('did not end it');
      expect(sent.map(([sql]) => sql)).toEqual(['START TRANSACTION', 'ROLLBACK']);
    });

    it.each([
      'BEGIN pkg.proc(1); END;',
      'BEGIN NOT ATOMIC INSERT INTO notes VALUES (1); END',
      'START TRANSACTION; INSERT INTO notes VALUES (1); COMMIT',
    ])('[XB1] sees no transaction in the whole block %s', async (block) => {
      const { sent, runner, connection } = connectionOf('mysql', false);
      await runner.query(block);
      await connection.onScopeCommit();
      await connection[Symbol.asyncDispose]();
      expect(sent.map(([sql]) => sql)).toEqual([block]);
    });

    it.each(['COMMIT', 'ROLLBACK'])('sends nothing after %s', async (end) => {
      const { sent, runner, connection } = connectionOf('mysql', false);
      for (const statement of ['START TRANSACTION', end, 'SELECT 1']) await runner.query(statement);
      await connection.onScopeCommit();
      await connection[Symbol.asyncDispose]();
      expect(sent.map(([sql]) => sql)).toEqual(['START TRANSACTION', end, 'SELECT 1']);
    });
  });
});
