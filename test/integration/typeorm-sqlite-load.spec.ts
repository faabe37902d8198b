import { Controller, Get, Param, type DynamicModule } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { closeApps } from '../support/app.js';
import { startHttpApp } from '../support/http-app.js';
import { startNoteApp } from '../support/note-worker.js';
import { testDatabase } from '../support/postgres.js';
import { committed, dataSourceOf, Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import {
  countConnections,
  createTestFile,
  removeTestFiles,
  sqliteRoot,
} from '../support/sqlite.js';

describe('Ticks, requests and plain saves at once', () => {
  const database = testDatabase();
  beforeEach(() => database.query('DROP TABLE IF EXISTS notes'));
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  @Controller()
  class NoteController {
    constructor(@InjectDataSource() private readonly source: DataSource) {}

    /** A transaction with two notes; each fourth fails after both. */
    @Get('transaction/:number')
    transaction(@Param('number') number: string): Promise<string> {
      return this.source.transaction(async (manager) => {
        await manager.save(Note, { text: `request ${number} a` });
        await manager.insert(Note, { text: `request ${number} b` });
        if (Number(number) % 4 === 0) throw new Error('no more');
        return JSON.stringify(await manager.countBy(Note, { text: `request ${number} a` }));
      });
    }

    @Get('save/:number')
    save(@Param('number') number: string): Promise<Note> {
      return this.source.getRepository(Note).save({ text: `plain ${number}` });
    }

    @Get('count')
    async count(): Promise<number> {
      return this.source.getRepository(Note).count();
    }
  }

  /** 100 ticks, each third of which fails, beside 100 requests and 50 saves: what came of each. */
  async function effects(root: DynamicModule, transaction: boolean): Promise<unknown> {
    const test = await startNoteApp(
      root,
      { transaction },
      { start: startHttpApp, controllers: [NoteController] },
    );
    test.script = async ({ manager, notes, tick }) => {
      const number = tick.payload as number;
      await notes.countBy({ text: 'none' });
      await notes.save({ text: `tick ${number} a` });
      await manager.insert(Note, { text: `tick ${number} b` });
      if (number % 3 === 0) throw new Error('no more');
      return notes.countBy({ text: `tick ${number} a` });
    };
    const plain = dataSourceOf(test).getRepository(Note);
    const numbers = (length: number) => Array.from({ length }, (_, index) => index);
    const answer = (path: string) => test.get(path).catch((error: Error) => error.message);
    const [ticks, ...others] = await Promise.all([
      Promise.all(numbers(100).map((payload) => test.registry.run('work', { payload }))),
      Promise.all(numbers(50).map((number) => answer(`/transaction/${number}`))),
      Promise.all(numbers(25).map((number) => answer(`/save/${number}`))).then(
        (saved) => saved.length,
      ),
      Promise.all(numbers(50).map((number) => plain.save({ text: `saved ${number}` }))).then(
        (saved) => saved.length,
      ),
      Promise.all(numbers(25).map(() => answer('/count'))).then((counts) =>
        counts.every((count) => typeof count === 'number'),
      ),
    ]);
    const after = await plain.find({ order: { text: 'ASC' } });
    await test.http.close();
    return {
      ticks: ticks.map(({ outcome, value, error, disposeErrors }) => ({
        outcome,
        value,
        error: (error as Error | undefined)?.message,
        disposeErrors,
      })),
      others,
      notes: after.map(({ text }) => text).sort(),
    };
  }

  it.each([true, false])(
    'leave the same on an SQLite file as on PostgreSQL, with transaction %j',
    async (transaction) => {
      const file = createTestFile();
      const expected = await effects(typeOrmRoot(database), transaction);
      const onPostgres = await committed(database);
      const onSqlite = await effects(sqliteRoot(file), transaction);

      expect(onSqlite).toEqual(expected);
      expect(file.committed()).toEqual(onPostgres.sort());
      expect(onPostgres).toHaveLength(2 * (transaction ? 66 : 100) + 2 * 37 + 25 + 50);
    },
  );

  /** How many functions are on the stack when a plain statement is logged. */
  async function depthOfPlainQuery(source: DataSource): Promise<number> {
    const { logger } = source;
    const { stackTraceLimit } = Error;
    let depth = 0;
    Error.stackTraceLimit = Infinity;
    source.logger = Object.assign(Object.create(logger) as typeof logger, {
      logQuery: () => (depth = new Error('here').stack!.split('\n').length),
    });
    await source.getRepository(Note).count();
    source.logger = logger;
    Error.stackTraceLimit = stackTraceLimit;
    return depth;
  }

  it.each<[string, boolean, boolean]>([
    ['a file, with a transaction', true, true],
    ['memory', false, false],
  ])('after 4,000 ticks on %s, nothing has piled up', async (_, isFile, transaction) => {
    const connections = countConnections();
    const file = isFile ? createTestFile() : undefined;
    const test = await startNoteApp(sqliteRoot(file, { driver: connections.driver }), {
      transaction,
    });
    const source = dataSourceOf(test);
    const patches = () =>
      [source.driver, source.manager, Object.getPrototypeOf(source.driver) as object].map((owner) =>
        Object.values(Object.getOwnPropertyDescriptors(owner))
          .map(({ value }) => value as unknown)
          .filter((value) => typeof value === 'function'),
      );
    test.script = ({ notes, tick }) =>
      (tick.payload as number) % 100 === 0 ? notes.save({ text: 'a' }) : notes.count();
    const run = async (payload: number): Promise<void> => {
      expect((await test.registry.run('work', { payload })).error).toBeUndefined();
    };
    await run(0);
    const [depth, functions] = [await depthOfPlainQuery(source), patches()];
    for (let ticks = 1; ticks < 1_000; ticks += 1) {
      await Promise.all([0, 1, 2, 3].map((more) => run(4 * ticks + more)));
    }

    expect(await source.getRepository(Note).count()).toBe(40);
    expect(await depthOfPlainQuery(source)).toBe(depth);
    patches().forEach((values, owner) =>
      values.forEach((value, index) => expect(value).toBe(functions[owner]![index])),
    );
    expect(connections.opened).toBeLessThanOrEqual(1 + (isFile ? 4 : 0));
  });
});
