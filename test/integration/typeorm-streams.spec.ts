import { createRequire } from 'node:module';
import { closeApps } from '../support/app.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import {
  checkNothingKept,
  committed,
  emptyPool,
  poolOf,
  silentPg,
  typeOrmRoot,
} from '../support/scoped-typeorm.js';

/** Streams of PostgreSQL need a package that TypeORM loads. */
const describeStreams = canLoad('pg-query-stream') ? describe : describe.skip;

function canLoad(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

const quiet = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describeStreams('A stream of a scope', () => {
  const database = testDatabase();
  let test: NoteApp;

  const start = async (transaction: boolean): Promise<void> => {
    await database.query('DROP TABLE IF EXISTS notes');
    test = await startNoteApp(database, { transaction });
  };
  const run = (script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run('work');
  };
  afterEach(closeApps);

  describe.each([true, false])('with transaction: %p', (transaction) => {
    it('that is left open is destroyed, and fails the tick', async () => {
      await start(transaction);
      await database.query(`INSERT INTO notes(text) SELECT g::text FROM generate_series(1, 999) g`);
      const report = await run(async ({ notes }) => {
        const stream = await notes.createQueryBuilder('note').stream();
        await new Promise((resolve) => stream.once('data', resolve));
        stream.pause();
      });

      const phase = transaction ? 'commit' : 'dispose';
      expect(report).toMatchObject({ outcome: 'failed', phase });
      expect((report.error as Error).message).toContain('stream was still open');
      await checkNothingKept(poolOf(test), database);
      expect(await run(({ notes }) => notes.count())).toMatchObject({ value: 999 });
    });

    it('[XB1] that is still opening when the handler fails is destroyed too', async () => {
      await start(transaction);
      await database.query(`INSERT INTO notes(text) SELECT g::text FROM generate_series(1, 999) g`);
      await emptyPool(poolOf(test)); // the stream waits for its connection
      const failure = new Error('no network');
      const report = await run(({ notes }) => {
        void quiet(notes.createQueryBuilder('note').stream());
        throw failure;
      });

      expect(report).toMatchObject({ outcome: 'failed', error: failure });
      await checkNothingKept(poolOf(test), database);
      expect(await run(({ notes }) => notes.count())).toMatchObject({ value: 999 });
    });

    it.each<['onCommit' | 'onRollback' | 'defer', boolean]>([
      ['onCommit', false],
      ['onRollback', true],
      ['defer', false],
      ['defer', true],
    ])(
      '[XB1] that is left open does not block what %s() writes (the handler fails: %p)',
      async (register, fails) => {
        await start(transaction);
        await database.query(
          `INSERT INTO notes(text) SELECT g::text FROM generate_series(1, 999) g`,
        );
        const failure = new Error('no network');
        const sent: unknown[] = [];
        const report = await run(async ({ notes, tick }) => {
          tick.scope[register](async () => {
            const texts = ['first', 'second'];
            sent.push(...(await Promise.all(texts.map((text) => notes.insert({ text })))));
          });
          await notes.createQueryBuilder('note').stream();
          if (fails) throw failure;
        });

        const phase = transaction ? 'commit' : 'dispose';
        expect(report).toMatchObject(
          fails ? { phase: 'handler', error: failure } : { outcome: 'failed', phase },
        );
        expect(sent).toHaveLength(2);
        await checkNothingKept(poolOf(test), database);
      },
    );

    describe('that has yet to be sent', () => {
      const open = ({ manager }: NoteScope) =>
        manager.queryRunner!.stream('SELECT generate_series(1, 3000)');

      /** Sends a statement through every connection of the pool. */
      const useWholePool = async (): Promise<void> => {
        const pool = poolOf(test);
        await Promise.all(Array.from({ length: 5 }, () => pool.query('SELECT pg_sleep(0.01)')));
        await checkNothingKept(pool, database);
      };

      it.each<[string, (scope: NoteScope) => unknown]>([
        ['behind another stream', (scope) => open(scope)],
        ['behind a statement', ({ manager }) => void quiet(manager.query('SELECT pg_sleep(0.1)'))],
      ])('[XB1] %s is destroyed if it is left open, and fails the tick', async (_, sendFirst) => {
        await start(transaction);
        const report = await run(async (scope) => {
          await scope.notes.count();
          await sendFirst(scope);
          await open(scope);
        });

        const phase = transaction ? 'commit' : 'dispose';
        expect(report).toMatchObject({ outcome: 'failed', phase });
        await useWholePool();
      });

      it('[XB1] does not block the rollback, or what a deferred cleanup writes', async () => {
        await start(transaction);
        const failure = new Error('no network');
        const report = await run(async (scope) => {
          scope.tick.scope.defer(() => scope.notes.insert({ text: 'deferred' }));
          await Promise.all([open(scope), open(scope)]);
          throw failure;
        });

        expect(report).toMatchObject({ error: failure, disposeErrors: [] });
        expect(await committed(database)).toEqual(['deferred']);
        await useWholePool();
      });

      it.each<[string, (scope: NoteScope) => unknown]>([
        ['and a statement follows', ({ notes }) => notes.count()],
        ['and no statement follows', () => 0],
      ])('[XB1] may be destroyed by the handler, %s', async (_, sendLast) => {
        await start(transaction);
        const report = await run(async (scope) => {
          const streams = await Promise.all([open(scope), open(scope), open(scope)]);
          for (const stream of streams) stream.destroy();
          return sendLast(scope);
        });

        expect(report).toMatchObject({ outcome: 'succeeded', value: 0 });
        await useWholePool();
      });

      it('[XB1] is never executed if the handler destroys it', async () => {
        await start(transaction);
        const report = await run(async (scope) => {
          const first = await open(scope);
          const writing = await scope.manager.queryRunner!.stream(
            `INSERT INTO notes(text) VALUES ('not sent') RETURNING id`,
          );
          writing.destroy();
          first.destroy();
          return scope.notes.count();
        });

        expect(report).toMatchObject({ outcome: 'succeeded', value: 0 });
        expect(await committed(database)).toEqual([]);
      });
    });

    it.each<[string, (stream: AsyncIterable<unknown>) => Promise<unknown>]>([
      [
        'was read to its end',
        async (stream) => {
          const rows: unknown[] = [];
          for await (const row of stream) rows.push(row);
        },
      ],
      [
        'was left with break',
        async (stream) => {
          for await (const _ of stream) break;
        },
      ],
    ])('that %s is accepted', async (_, read) => {
      await start(transaction);
      await database.query(`INSERT INTO notes(text) SELECT g::text FROM generate_series(1, 999) g`);
      const report = await run(async ({ notes }) =>
        read(await notes.createQueryBuilder('note').stream()),
      );

      expect(report).toMatchObject({ outcome: 'succeeded' });
      expect(await run(({ notes }) => notes.count())).toMatchObject({ value: 999 });
    });
  });

  it('[XB1] fails the tick if its own error was caught, also with pg before 8.21', async () => {
    await database.query('DROP TABLE IF EXISTS notes');
    const root = typeOrmRoot(database, { driver: silentPg });
    test = await startNoteApp(root, { transaction: true });
    const report = await run(async ({ notes, manager }) => {
      await notes.insert({ text: 'lost' });
      const sql = 'SELECT 1 / (2 - g) FROM generate_series(1, 3) g';
      const rows: AsyncIterable<unknown> = await manager.queryRunner!.stream(sql);
      const read = async (): Promise<void> => {
        for await (const _ of rows);
      };
      await quiet(read());
    });

    expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    expect(await committed(database)).toEqual([]);
  });

  it('[XB1] has listeners that write nothing outside the transaction', async () => {
    await start(true);
    await emptyPool(poolOf(test)); // the listener must see what the new connection has kept
    const late: Promise<unknown>[] = [];
    const report = await run(async ({ notes, manager }) => {
      await notes.insert({ text: 'a' });
      const stream = await manager.queryRunner!.stream('SELECT generate_series(1, 3)');
      stream.on('data', () => late.push(quiet(notes.insert({ text: 'from the stream' }))));
      await new Promise((resolve) => stream.once('data', resolve));
      throw new Error('failed');
    });
    await Promise.all(late);

    expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
    expect(late).not.toEqual([]);
    expect(await committed(database)).toEqual([]);
  });
});
