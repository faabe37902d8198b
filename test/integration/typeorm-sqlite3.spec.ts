import { Injectable } from '@nestjs/common';
import { InjectDataSource, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { gate, quietFor, turn } from '../support/gate.js';
import { startNoteApp } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import { sqlite3OnBetterSqlite3 } from '../support/sqlite3-on-better-sqlite3.js';
import { around, beginElsewhere, createTestFile, removeTestFiles } from '../support/sqlite.js';

const options = (database: string): TypeOrmModuleOptions =>
  ({
    type: 'sqlite',
    database,
    driver: sqlite3OnBetterSqlite3,
    autoLoadEntities: true,
    synchronize: true,
    retryAttempts: 0,
  }) as unknown as TypeOrmModuleOptions;

const hasDriver = (): boolean => {
  try {
    new DataSource(options(':memory:') as never);
    return true;
  } catch {
    return false;
  }
};

// TypeORM 1 has no driver for sqlite3 any more: there these have nothing to run on.
(hasDriver() ? describe : describe.skip)('A scope on a file of sqlite3', () => {
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  it('has its own connection, with a busy timeout, and writers wait for each other', async () => {
    const file = createTestFile();
    const test = await startNoteApp(TypeOrmModule.forRoot(options(file.path)), {
      transaction: true,
    });
    const plain = dataSourceOf(test).getRepository(Note);
    const written = gate();
    const end = gate();
    test.script = async ({ manager, notes }) => {
      await notes.save({ text: 'of a tick' });
      written.open();
      await end.opened;
      return manager.query('PRAGMA busy_timeout');
    };
    const report = test.registry.run('work');
    await written.opened;
    const saving = [plain.save({ text: 'plain' }), plain.insert({ text: 'inserted' })];
    for (let turns = 0; turns < 50; turns += 1) await turn();
    expect(await plain.count()).toBe(0);
    end.open();
    await Promise.all(saving);

    expect(await report).toMatchObject({ outcome: 'succeeded', value: [{ timeout: 5_000 }] });
    expect(file.committed()).toEqual(['inserted', 'of a tick', 'plain']);
  });

  it('stops start-up if another process has a transaction open for too long, even with busyErrorRetry', async () => {
    const file = createTestFile();
    const other = beginElsewhere(file);
    const now = performance.now.bind(performance);
    const retries = { busyTimeout: 1, busyErrorRetry: 1 }; // options of TypeORM 0.3
    const root = TypeOrmModule.forRoot({
      ...options(file.path),
      synchronize: false,
      ...retries,
    });
    const { app } = await compileApp({
      imports: [root, ScopedTypeOrmModule.forFeature([Note], { transaction: true })],
    });
    const starting = app.init();
    setTimeout(() => (performance.now = () => now() + 61_000), 30); // start-up waits by then
    try {
      await expect(starting).rejects.toThrow(
        `for 60 seconds, at least one transaction of another data source or process on ${file.path} has been open`,
      );
    } finally {
      performance.now = now;
      other.close();
    }
  });

  it('has its own connection after a transaction that a statement began before the library knew the file', async () => {
    const file = createTestFile();
    const seeds: Promise<unknown>[] = [];
    @Injectable()
    class Seeds {
      constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

      async onModuleInit(): Promise<void> {
        await this.dataSource.query('BEGIN');
        seeds.push(
          quietFor(30).then(async () => {
            await this.dataSource.query(`INSERT INTO notes (text) VALUES ('seed')`);
            await quietFor(30); // after a write, SQLite keeps the journal mode without an error
            await this.dataSource.query('COMMIT');
          }),
        );
      }
    }
    const { app, log } = await startApp({
      imports: [
        TypeOrmModule.forRoot(options(file.path)),
        around(Seeds),
        ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
      ],
    });
    await Promise.all(seeds);
    await app.get(DataSource).getRepository(Note).save({ text: 'plain' });

    expect(file.committed()).toEqual(['plain', 'seed']);
    expect(file.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(log.of('warn')).toEqual([]);
  });

  it('is rolled back alone, and leaves the turn to others', async () => {
    const file = createTestFile();
    const test = await startNoteApp(TypeOrmModule.forRoot(options(file.path)), {
      transaction: true,
    });
    test.script = async ({ notes, tick }) => {
      await notes.save({ text: `tick ${tick.payload as number}` });
      if (tick.payload === 0) throw new Error('no more');
    };
    const plain = dataSourceOf(test).getRepository(Note);
    await Promise.all([
      ...[0, 1, 2].map((payload) => test.registry.run('work', { payload })),
      plain.save({ text: 'plain' }),
      dataSourceOf(test).transaction((manager) => manager.save(Note, { text: 'request' })),
    ]);

    expect(file.committed()).toEqual(['plain', 'request', 'tick 1', 'tick 2']);
  });

  it('that the shutdown abandoned is logged once, and says that its data source was destroyed', async () => {
    const file = createTestFile();
    const test = await startNoteApp(
      TypeOrmModule.forRoot(options(file.path)),
      { transaction: true },
      { options: { shutdownTimeoutMs: 1 } },
    );
    const written = gate();
    const end = gate();
    test.script = async ({ notes }) => {
      await notes.save({ text: 'of a tick' });
      written.open();
      await end.opened;
    };
    const report = test.registry.run('work');
    await written.opened;
    await test.app.close();
    end.open();
    const { tickId } = await report;

    expect(test.log.of('error').slice(1)).toEqual([
      expect.stringMatching(
        `^work failed \\(${tickId}, phase commit\\) after the shutdown stopped waiting for it, so its connections may be closed: The data source of ${file.path} was destroyed while the scope was open, .+ shutdownTimeoutMs\\.$`,
      ),
    ]);
    expect(file.committed()).toEqual([]);
  });

  it('refuses { transaction: true } in memory', async () => {
    const starting = startNoteApp(TypeOrmModule.forRoot(options(':memory:')), {
      transaction: true,
    });

    await expect(starting).rejects.toThrow('is an in-memory SQLite database');
  });
});
