import { Inject } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource, QueryRunner } from 'typeorm';
import type pg from 'pg';
import type { ScopeHooks } from '../../lib/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { startNoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { RequestScoped, worker } from '../support/probes.js';
import {
  checkNothingKept,
  committed,
  Note,
  poolOf,
  silentPg,
  throwingPg,
  typeOrmRoot,
} from '../support/scoped-typeorm.js';

/** More than the pool has. */
const TICKS = 8;

/** A unit of work as applications write it: without a disposer, since both hooks return the connection. */
@RequestScoped()
class UnitOfWork implements ScopeHooks {
  readonly runner: QueryRunner;

  constructor(@Inject(getDataSourceToken()) dataSource: DataSource) {
    this.runner = dataSource.createQueryRunner();
  }

  onScopeInit(): Promise<void> {
    return this.runner.startTransaction();
  }

  async onScopeCommit(): Promise<void> {
    await this.runner.commitTransaction();
    await this.runner.release();
  }

  async onScopeRollback(): Promise<void> {
    await this.runner.rollbackTransaction();
    await this.runner.release();
  }
}

describe('A COMMIT that fails', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS notes'));
  afterEach(closeApps);

  const constrain = (): Promise<unknown> =>
    database.query(
      'ALTER TABLE notes ADD CONSTRAINT one_of_a_text UNIQUE (text) DEFERRABLE INITIALLY DEFERRED',
    );

  /**
   * Runs more failing ticks than the pool has connections, then one that succeeds, and closes the application.
   *
   * @returns what is committed.
   */
  async function surviveCommits(test: TestApp, schedule: string): Promise<string[]> {
    for (let tick = 0; tick < TICKS; tick += 1) {
      const report = await test.registry.run(schedule, { payload: ['twice', 'twice'] });
      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', disposeErrors: [] });
      expect(String(report.error)).toContain('one_of_a_text');
    }
    const report = await test.registry.run(schedule, { payload: ['once'] });
    expect(report).toMatchObject({ outcome: 'succeeded' });
    await checkNothingKept(poolOf(test), database);
    await test.app.close(); // ends the pool, which waits for every connection that was taken
    return committed(database);
  }

  it('[L4] is rolled back by the provider that failed, whose connection goes back to the pool', async () => {
    const test = await startApp({
      imports: [typeOrmRoot(database), TypeOrmModule.forFeature([Note])],
      providers: [
        UnitOfWork,
        worker([UnitOfWork], async (tick, { runner }: UnitOfWork) => {
          for (const text of tick.payload as string[])
            await runner.query('INSERT INTO notes (text) VALUES ($1)', [text]);
        }),
      ],
    });
    await constrain();
    expect(await surviveCommits(test, 'Worker.run')).toEqual(['once']);
  });

  it('[L4] of ScopedTypeOrmModule is rolled back, and its connection goes back to the pool', async () => {
    const test = await startNoteApp(database, { transaction: true });
    test.script = async ({ notes, tick }) => {
      for (const text of tick.payload as string[]) await notes.insert({ text });
    };
    await constrain();
    expect(await surviveCommits(test, 'work')).toEqual(['once']);
  });

  it.each<[string, (scope: NoteScope) => Promise<unknown>]>([
    ['a statement', ({ notes }) => notes.insert({ text: 'of the hook' })],
    ['a save()', ({ notes }) => notes.save({ text: 'of the hook' })],
    ['manager.transaction()', ({ manager }) => manager.transaction((inner) => inner.find(Note))],
  ])('[XB1] commits nothing that a rollback hook sends: %s is refused', async (_, send) => {
    const test = await startNoteApp(database, { transaction: true });
    await constrain();
    test.script = async (scope) => {
      scope.tick.scope.onRollback(() => send(scope));
      scope.tick.scope.defer(() => scope.notes.insert({ text: 'deferred' }));
      await scope.notes.insert([{ text: 'twice' }, { text: 'twice' }]);
    };
    const report = await test.registry.run('work');

    expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    expect(report.disposeErrors).toEqual([
      new Error(
        'The library refused a statement from a rollback hook: the scope was not committed, so the database might commit the statement separately. Send it in a scope.defer() cleanup, which runs after the rollback.',
      ),
    ]);
    expect(await committed(database)).toEqual(['deferred']);
    await checkNothingKept(poolOf(test), database);
  });

  describe.each([
    ['pg before 8.21, which does not report the status of a transaction', silentPg],
    ['a pg-native before 3.8, which throws when it is asked for that', throwingPg],
  ])('with %s', (_, driver) => {
    it('[XB1] fails the tick when PostgreSQL answers it with ROLLBACK', async () => {
      const test = await startNoteApp(typeOrmRoot(database, { driver }), { transaction: true });
      test.script = async ({ notes, manager }) => {
        await notes.insert({ text: 'lost' });
        const client = (await manager.queryRunner!.connect()) as pg.PoolClient;
        await client.query('SELECT 1 / 0').catch(() => undefined);
      };
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', disposeErrors: [] });
      expect((report.error as Error).message).toContain('one of its statements failed');
      expect(await committed(database)).toEqual([]);
      await checkNothingKept(poolOf(test), database);
    });

    it('[XB1] commits nothing that a rollback hook sends after that answer', async () => {
      const test = await startNoteApp(typeOrmRoot(database, { driver }), { transaction: true });
      test.script = async ({ notes, manager, tick }) => {
        tick.scope.onRollback(() => notes.insert({ text: 'of the hook' }));
        await notes.insert({ text: 'lost' });
        const client = (await manager.queryRunner!.connect()) as pg.PoolClient;
        await client.query('SELECT 1 / 0').catch(() => undefined);
      };
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
      expect(report.disposeErrors).toHaveLength(1);
      expect(await committed(database)).toEqual([]);
      await checkNothingKept(poolOf(test), database);
    });

    it.each([true, false])(
      '[L4] keeps what succeeded, and the connection goes back, with transaction: %p',
      async (transaction) => {
        const test = await startNoteApp(typeOrmRoot(database, { driver }), { transaction });
        test.script = ({ notes }) => notes.save({ text: 'kept' });
        const report = await test.registry.run('work');

        expect(report).toMatchObject({ outcome: 'succeeded', disposeErrors: [] });
        expect(await committed(database)).toEqual(['kept']);
        await checkNothingKept(poolOf(test), database);
      },
    );

    it('[XB1] rolls back what the handler began with an isolation level and left open', async () => {
      const test = await startNoteApp(typeOrmRoot(database, { driver }), {});
      test.script = async ({ manager, notes }) => {
        await manager.query('BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE');
        await notes.insert({ text: 'left open' });
      };
      const report = await test.registry.run('work');

      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
      expect((report.error as Error).message).toContain('did not end it');
      await checkNothingKept(poolOf(test), database);
      expect(await committed(database)).toEqual([]);
    });
  });
});
