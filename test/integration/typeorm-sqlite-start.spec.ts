import { Injectable, Module } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { InjectDataSource } from '@nestjs/typeorm';
import Database from 'better-sqlite3';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  DataSource,
  EventSubscriber,
  type EntitySubscriberInterface,
  type MigrationInterface,
  type QueryRunner,
  type Repository,
  type TransactionStartEvent,
} from 'typeorm';
import { getScopedRepositoryToken, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, compileApp, startApp, type TestApp } from '../support/app.js';
import { gate, quietFor, turn } from '../support/gate.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import {
  around,
  beginElsewhere,
  createTestFile,
  removeTestFiles,
  sqliteRoot,
  watchWal,
  type TestFile,
} from '../support/sqlite.js';

const ENTITIES = { entities: [Note] };

/** The part of TypeORM's events of queries that the tests read. */
interface QueryEvent {
  readonly query: string;
}

@EventSubscriber()
class SlowCommit implements EntitySubscriberInterface {
  async afterQuery({ query }: QueryEvent): Promise<void> {
    if (query === 'COMMIT') await quietFor(20); // start-up goes on meanwhile
  }
}

/** A provider that has a transaction of the data source `other` open when its hook ends, until `end` resolves. */
function seedsOfOther(end: Promise<void>) {
  @Injectable()
  class Seeds {
    done: Promise<unknown> | undefined;

    constructor(@InjectDataSource('other') private readonly dataSource: DataSource) {}

    // Not before: the first data source may still be opening the file.
    async onModuleInit(): Promise<void> {
      const begun = gate();
      this.done = this.dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'seed' });
        begun.open();
        await end;
      });
      await begun.opened;
    }
  }
  return Seeds;
}

describe('Scopes on an SQLite file in which a transaction is open before the library knows the file', () => {
  let file: TestFile;

  beforeEach(() => {
    file = createTestFile();
  });
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  const save = (test: TestApp, text: string): Promise<unknown> =>
    test.scopes.run(async (scope) => {
      const notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
      await notes.save({ text });
    });

  /** Saves in a scope while an application, by default the same, has a transaction open, which is then rolled back. */
  const saveBeside = async (test: TestApp, text: string, other = test): Promise<void> => {
    const [begun, end] = [gate(), gate()];
    const request = dataSourceOf(other).transaction(async (manager) => {
      await manager.save(Note, { text: 'of the request' });
      begun.open();
      await end.opened;
      throw new Error('no more');
    });
    request.catch(() => undefined);
    await begun.opened;
    const saving = save(test, text);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    end.open();
    await expect(request).rejects.toThrow('no more');
    await saving;
  };

  describe.each([true, false])('with transaction: %j', (transaction) => {
    const feature = ScopedTypeOrmModule.forFeature([Note], { transaction });

    it.each(['a new file', 'a file in WAL mode'])(
      'have their own connections after start-up, on %s',
      async (kind) => {
        if (kind !== 'a new file') {
          await startApp({ imports: [sqliteRoot(file, ENTITIES), feature] });
          await closeApps();
        }
        const seeded = gate();
        const seeding: Promise<unknown>[] = [];
        @Injectable()
        class Seeds {
          constructor(@InjectDataSource() dataSource: DataSource) {
            const seed = dataSource.transaction(async (manager) => {
              await manager.save(Note, { text: 'seed' });
              await seeded.opened;
            });
            seeding.push(seed);
            setTimeout(() => seeded.open(), 30); // start-up has to wait
          }
        }
        @Module({ providers: [Seeds] })
        class SeedModule {}
        const test = await startApp({ imports: [sqliteRoot(file, ENTITIES), SeedModule, feature] });
        await Promise.all(seeding);
        await saveBeside(test, 'of the scope');

        expect(file.committed()).toEqual(['of the scope', 'seed']);
      },
    );

    it('stop start-up if that transaction does not end, after a warning', async () => {
      const end = gate();
      const seeding: Promise<unknown>[] = [];
      const now = performance.now.bind(performance);
      @Injectable()
      class Seeds {
        constructor(@InjectDataSource() dataSource: DataSource) {
          const seed = dataSource.transaction(async (manager) => {
            await manager.save(Note, { text: 'seed' });
            setTimeout(() => (performance.now = () => now() + 61_000), 30); // start-up waits by then
            await end.opened;
          });
          seeding.push(seed);
        }
      }
      @Module({ providers: [Seeds] })
      class SeedModule {}
      const { app, log } = await compileApp({
        imports: [sqliteRoot(file, ENTITIES), SeedModule, feature],
      });
      const starting = app.init();
      try {
        await expect(starting).rejects.toThrow(
          `ScopedTypeOrmModule: for 60 seconds, at least one transaction of the application on ${file.path} has been open at all times, so scopes cannot open their own connections.`,
        );
        expect(log.of('warn')).toEqual([
          `ScopedTypeOrmModule has waited 5 seconds for a transaction of the application on ${file.path}. Scopes can open their own connections only after that transaction has ended.`,
        ]);
      } finally {
        performance.now = now;
        end.open();
        await Promise.allSettled(seeding);
      }
    });

    it.each<[string, (dataSource: DataSource) => Promise<unknown>, count?: number]>([
      [
        'transactions',
        (dataSource) =>
          dataSource.transaction(async (manager) => {
            await manager.save(Note, { text: 'seed' });
            await turn();
          }),
      ],
      [
        'transactions that overlap',
        (dataSource) =>
          dataSource.transaction(async (manager) => {
            await manager.save(Note, { text: 'seed' });
            for (let turns = 0; turns < 4; turns += 1) await turn();
          }),
        2,
      ],
      [
        'saves',
        async (dataSource) => {
          await dataSource.getRepository(Note).save({ text: 'slow seed' });
        },
      ],
      [
        'transactions of a query runner',
        async (dataSource) => {
          const runner = dataSource.createQueryRunner();
          await runner.startTransaction();
          await runner.manager.save(Note, { text: 'seed' });
          await turn();
          await runner.commitTransaction();
          await runner.release();
        },
      ],
      [
        'transactions that statements begin and end',
        async (dataSource) => {
          await dataSource.query('BEGIN');
          await dataSource.query(`INSERT INTO notes (text) VALUES ('seed')`);
          await turn();
          await dataSource.query('COMMIT');
        },
      ],
    ])('have their own connections beside %s without a pause', async (_, seed, count = 1) => {
      @EventSubscriber()
      class Slow implements EntitySubscriberInterface<Note> {
        listenTo(): typeof Note {
          return Note;
        }

        async afterInsert({ entity }: { readonly entity: Note }): Promise<void> {
          if (entity.text === 'slow seed') await turn();
        }
      }
      let isStarted = false;
      let seeded = 0;
      @Injectable()
      class Seeds {
        readonly done: Promise<unknown>[] = [];

        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        async onModuleInit(): Promise<void> {
          for (let i = 0; i < count; i += 1) {
            this.done.push(this.goOn());
            await turn();
            await turn();
          }
        }

        private async goOn(): Promise<void> {
          while (!isStarted) {
            await seed(this.dataSource);
            seeded += 1;
          }
        }
      }
      const test = await startApp({
        imports: [sqliteRoot(file, { ...ENTITIES, subscribers: [Slow] }), around(Seeds), feature],
      }).finally(() => (isStarted = true));
      await Promise.all(test.app.get(Seeds, { strict: false }).done);
      await saveBeside(test, 'of the scope');

      expect(file.committed().filter((text) => text !== 'of the scope')).toHaveLength(seeded);
      expect(test.log.of('warn')).toEqual([]);
    });

    it.each([
      ['', []],
      [', and a subscriber delays each COMMIT', [SlowCommit]],
    ])(
      'keep apart the transactions that start-up has held, while prepareDatabase takes long%s',
      async (_, subscribers) => {
        const seeding: Promise<unknown>[] = [];
        let connections = 0;
        const prepareDatabase = async (): Promise<void> => {
          connections += 1;
          if (connections > 1) await quietFor(600); // twice: longer than a transaction that overlaps is held
        };
        @Injectable()
        class Seeds {
          constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

          onModuleInit(): void {
            const notes = this.dataSource.getRepository(Note);
            setTimeout(() => {
              seeding.push(...['a', 'b', 'c'].map((text) => notes.save({ text })));
            }, 20);
          }
        }
        const root = sqliteRoot(file, { ...ENTITIES, prepareDatabase, subscribers });
        await startApp({ imports: [root, around(Seeds), feature] });
        await Promise.all(seeding);

        expect(seeding).toHaveLength(3);
        expect(file.committed()).toEqual(['a', 'b', 'c']);
      },
    );

    it('keep apart the transactions that start-up has held, while another application writes', async () => {
      const first = await startApp({ imports: [sqliteRoot(file, ENTITIES), feature] });
      const [begun, end] = [gate(), gate()];
      const others: Promise<unknown>[] = [];
      @Injectable()
      class Seeds {
        readonly seeding: Promise<unknown>[] = [];

        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        async onModuleInit(): Promise<void> {
          const read = this.dataSource.transaction(async (manager) => {
            await manager.find(Note);
            begun.open();
            await quietFor(50); // start-up waits by then
          });
          await begun.opened;
          others.push(
            dataSourceOf(first).transaction(async (manager) => {
              await manager.save(Note, { text: 'of the first' });
              await end.opened;
            }),
          );
          this.seeding.push(read);
          setTimeout(() => {
            for (const text of ['a', 'b', 'c'])
              this.seeding.push(
                this.dataSource.transaction((manager) => manager.save(Note, { text })),
              );
          }, 20);
        }
      }
      const root = sqliteRoot(file, { ...ENTITIES, synchronize: false });
      const test = await startApp({ imports: [root, around(Seeds), feature] });
      await quietFor(50);
      end.open();
      await Promise.all([...others, ...test.app.get(Seeds, { strict: false }).seeding]);

      expect(file.committed()).toEqual(['a', 'b', 'c', 'of the first']);
    });

    it('do not make a transaction wait for one that its own subscriber begins', async () => {
      let isNext = false;
      @EventSubscriber()
      class Nesting implements EntitySubscriberInterface {
        async beforeTransactionStart({ queryRunner }: TransactionStartEvent): Promise<void> {
          if (!isNext) return;
          isNext = false;
          await queryRunner!.manager.transaction((manager) => manager.find(Note));
        }
      }
      const other = beginElsewhere(file);
      const outcome = gate<unknown>();
      @Injectable()
      class Seeds {
        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        onModuleInit(): void {
          setTimeout(() => void this.seed(), 20);
        }

        private async seed(): Promise<void> {
          isNext = true;
          const seed = this.dataSource.transaction(() => Promise.resolve());
          outcome.open(await seed.catch((error: Error) => error.message));
          await this.dataSource.query('ROLLBACK');
          other.close();
        }
      }
      const root = sqliteRoot(file, { ...ENTITIES, synchronize: false, subscribers: [Nesting] });
      await startApp({ imports: [root, around(Seeds), feature] });

      // TypeORM itself mixes the two up.
      expect(await outcome.opened).toContain('Transaction is not started yet');
    });

    it('do not disturb a query runner whose COMMIT a subscriber delays', async () => {
      @Injectable()
      class Seeds {
        done: Promise<void> | undefined;
        private readonly kept: QueryRunner;

        constructor(@InjectDataSource() dataSource: DataSource) {
          this.kept = dataSource.createQueryRunner();
        }

        onModuleInit(): void {
          this.done = this.seed();
        }

        private async seed(): Promise<void> {
          for (const text of ['a', 'b', 'c']) {
            await this.kept.startTransaction();
            await this.kept.manager.insert(Note, { text });
            await this.kept.commitTransaction();
          }
        }
      }
      const root = sqliteRoot(file, { ...ENTITIES, subscribers: [SlowCommit] });
      const test = await startApp({ imports: [root, around(Seeds), feature] });
      await test.app.get(Seeds, { strict: false }).done;
      await saveBeside(test, 'of the scope');

      expect(file.committed()).toEqual(['a', 'b', 'c', 'of the scope']);
    });

    it('do not refuse later statements of a query runner from before start-up, after a transaction that failed beside an inner one', async () => {
      @Injectable()
      class Kept {
        readonly runner: QueryRunner;

        constructor(@InjectDataSource() dataSource: DataSource) {
          this.runner = dataSource.createQueryRunner();
        }
      }
      const imports = [sqliteRoot(file, ENTITIES), around(Kept), feature];
      const test = await startApp({ imports });
      const { runner } = test.app.get(Kept, { strict: false });
      const begun = gate();
      const failed = gate();
      let inner: Promise<unknown> | undefined;
      const outer = runner.manager.transaction(async (manager) => {
        await dataSourceOf(test).getRepository(Note).save({ text: 'outer' });
        inner = manager.transaction(async (nested) => {
          begun.open();
          await failed.opened;
          await nested.save(Note, { text: 'inner' });
        });
        inner.catch(() => undefined); // expected below
        await begun.opened;
        throw new Error('no more');
      });
      await turn();
      await begun.opened;
      failed.open();
      await expect(outer).rejects.toThrow('no more');
      await Promise.allSettled([inner]);

      expect(await runner.query('SELECT * FROM notes')).toEqual([]);
      await saveBeside(test, 'of the scope');
      expect(file.committed()).toEqual(['of the scope']);
    });

    it('do not cut a transaction of a statement whose BEGIN a subscriber delays', async () => {
      const other = beginElsewhere(file);
      @EventSubscriber()
      class Slow implements EntitySubscriberInterface {
        async beforeQuery({ query }: QueryEvent): Promise<void> {
          if (query !== 'BEGIN') return;
          other.close();
          await quietFor(30); // start-up tries again meanwhile
        }
      }
      const seeded = gate();
      @Injectable()
      class Seeds {
        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        onModuleInit(): void {
          setTimeout(() => void this.seed().then(seeded.open, seeded.fail), 20);
        }

        private async seed(): Promise<void> {
          await this.dataSource.query('BEGIN');
          for (const text of ['a', 'b', 'c'])
            await this.dataSource.getRepository(Note).insert({ text });
          await this.dataSource.query('COMMIT');
        }
      }
      const root = sqliteRoot(file, { ...ENTITIES, synchronize: false, subscribers: [Slow] });
      const test = await startApp({ imports: [root, around(Seeds), feature] });
      await seeded.opened;
      await saveBeside(test, 'of the scope');

      expect(file.committed()).toEqual(['a', 'b', 'c', 'of the scope']);
      expect(test.log.of('warn')).toEqual([]);
    });

    it('write after a migration of start-up that failed, and that the application did not await', async () => {
      class First1600000000000 implements MigrationInterface {
        readonly transaction = false;

        async up(): Promise<void> {
          await quietFor(30); // start-up takes the file over meanwhile
        }

        async down(): Promise<void> {}
      }
      class Second1700000000000 implements MigrationInterface {
        up(): Promise<void> {
          throw new Error('no more');
        }

        async down(): Promise<void> {}
      }
      const failed = gate<string>();
      @Injectable()
      class Migrator {
        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        onModuleInit(): void {
          const migrated = this.dataSource.runMigrations({ transaction: 'each' });
          migrated.catch((error: Error) => failed.open(error.message));
        }
      }
      const migrations = [First1600000000000, Second1700000000000];
      const test = await startApp({
        imports: [sqliteRoot(file, { ...ENTITIES, migrations }), around(Migrator), feature],
      });
      expect(await failed.opened).toContain('no more');
      await saveBeside(test, 'of the scope');

      expect(file.committed()).toEqual(['of the scope']);
    });

    it('have their own connections after a BEGIN that failed', async () => {
      @Injectable()
      class Seeds {
        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        async onModuleInit(): Promise<void> {
          await this.dataSource.query('BEGIN');
          const runner = this.dataSource.createQueryRunner();
          await expect(runner.startTransaction()).rejects.toThrow('within a transaction');
          await this.dataSource.query('ROLLBACK');
          await runner.release();
        }
      }
      const test = await startApp({
        imports: [sqliteRoot(file, ENTITIES), around(Seeds), feature],
      });
      await saveBeside(test, 'of the scope');

      expect(file.committed()).toEqual(['of the scope']);
      expect(test.log.of('warn')).toEqual([]);
    });

    it('leave a transaction that start-up holds as it is if prepareDatabase then fails', async () => {
      let connections = 0;
      const prepareDatabase = async (): Promise<void> => {
        connections += 1;
        if (connections === 1) return;
        await quietFor(30);
        throw new Error('not now');
      };
      @Injectable()
      class Seeds {
        readonly seeding: Promise<unknown>[] = [];

        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        onModuleInit(): void {
          setTimeout(() => {
            for (const text of ['a', 'b', 'c'])
              this.seeding.push(
                this.dataSource.transaction((manager) => manager.save(Note, { text })),
              );
          }, 20);
        }
      }
      const imports = [sqliteRoot(file, { ...ENTITIES, prepareDatabase }), around(Seeds), feature];
      const { app } = await compileApp({ imports });
      const started = app.init().then(
        () => true,
        () => false,
      );
      expect(await started).toBe(!transaction);
      await Promise.all(app.get(Seeds, { strict: false }).seeding);

      expect(file.committed()).toEqual(['a', 'b', 'c']);
      expect(Object.hasOwn(app.get(DataSource).driver, 'createQueryRunner')).toBe(false);
    });

    it('have their own connections after a transaction of another data source', async () => {
      const requested = gate();
      const Seeds = seedsOfOther(requested.opened);
      const test = await startApp({
        imports: [
          sqliteRoot(file, { ...ENTITIES, ...watchWal(requested.open) }),
          sqliteRoot(file, { ...ENTITIES, name: 'other', synchronize: false }),
          around(Seeds),
          feature,
        ],
      });
      await test.app.get(Seeds, { strict: false }).done;
      await saveBeside(test, 'of the scope');

      expect(file.committed()).toEqual(['of the scope', 'seed']);
      expect(test.log.of('warn')).toEqual([]);
    });

    it('have their own connections after a transaction of another process', async () => {
      const other = beginElsewhere(file);
      const root = sqliteRoot(file, {
        ...ENTITIES,
        ...watchWal(() => other.close()),
        synchronize: false,
      });
      const test = await startApp({ imports: [root, feature] });
      await saveBeside(test, 'of the scope');

      expect(file.committed()).toEqual(['of the scope']);
    });

    it('wait for no transaction once start-up is over, but try again', async () => {
      const test = await startApp({
        imports: [
          sqliteRoot(file, { ...ENTITIES, manualInitialization: true, synchronize: false }),
          feature,
        ],
      });
      const other = beginElsewhere(file);
      await dataSourceOf(test).initialize();
      await expect(save(test, 'early')).rejects.toThrow(
        `A transaction is open on ${file.path}, so the library cannot switch the file to WAL yet, and this scope cannot open a connection. The next scope tries again.`,
      );
      other.close();
      await expect(saveBeside(test, 'beside')).rejects.toThrow('A transaction is open on');
      await save(test, 'late');
      await saveBeside(test, 'later');

      expect(file.committed()).toEqual(['late', 'later']);
    });

    it('have their own connections after a transaction whose BEGIN a subscriber delays', async () => {
      @EventSubscriber()
      class Slow implements EntitySubscriberInterface {
        async beforeTransactionStart(): Promise<void> {
          await quietFor(100); // start-up waits by then
        }
      }
      @Injectable()
      class Seeds {
        readonly done: Promise<unknown>;

        constructor(@InjectDataSource() dataSource: DataSource) {
          this.done = dataSource.transaction(async (manager) => {
            await manager.save(Note, { text: 'seed' });
            await dataSource.getRepository(Note).save({ text: 'by the way' });
          });
        }
      }
      @Module({ providers: [Seeds] })
      class SeedModule {}
      const test = await startApp({
        imports: [sqliteRoot(file, { ...ENTITIES, subscribers: [Slow] }), SeedModule, feature],
      });
      await test.app.get(Seeds, { strict: false }).done;
      await save(test, 'of the scope');

      expect(file.committed()).toEqual(['by the way', 'of the scope', 'seed']);
    });

    it('have their own connections after a transaction that SQLite itself has ended', async () => {
      @Injectable()
      class Seeds {
        constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

        async onModuleInit(): Promise<void> {
          const seed = this.dataSource.transaction(async (manager) => {
            await manager.query(`INSERT INTO notes VALUES (1, 'twice')`);
            await manager.query(`INSERT OR ROLLBACK INTO notes VALUES (1, 'twice')`);
          });
          await expect(seed).rejects.toThrow('UNIQUE constraint failed');
        }
      }
      @Module({ providers: [Seeds] })
      class SeedModule {}
      @Module({ imports: [SeedModule] })
      class Between {}
      const test = await startApp({ imports: [sqliteRoot(file, ENTITIES), Between, feature] });
      await save(test, 'of the scope');

      expect(file.committed()).toEqual(['of the scope']);
    });

    it('have their own connections if prepareDatabase writes beside a transaction of another data source', async () => {
      const tried = gate();
      let connections = 0;
      const Seeds = seedsOfOther(tried.opened);
      await startApp({ imports: [sqliteRoot(file, ENTITIES), feature] });
      await closeApps(); // the file is in WAL mode from here on
      const prepareDatabase = (connection: Database): void => {
        connections += 1;
        if (connections > 2) tried.open();
        connection.pragma('user_version = 3');
      };
      const test = await startApp({
        imports: [
          sqliteRoot(file, { ...ENTITIES, prepareDatabase, timeout: 1 }),
          sqliteRoot(file, { ...ENTITIES, name: 'other', synchronize: false }),
          around(Seeds),
          feature,
        ],
      });
      await test.app.get(Seeds, { strict: false }).done;
      await save(test, 'of the scope');

      expect(test.log.of('warn')).toEqual([]);
      expect(file.committed()).toEqual(['of the scope', 'seed']);
    });

    it('have their own connections if the application is still initializing the data source', async () => {
      @Injectable()
      class Opener {
        readonly done: Promise<unknown>;

        constructor(@InjectDataSource() dataSource: DataSource) {
          const its = dataSource as unknown as { buildMetadatas(): Promise<void> };
          const build = its.buildMetadatas.bind(its);
          its.buildMetadatas = async () => {
            await quietFor(30); // as long as the import of entities from files
            await build();
          };
          this.done = dataSource.initialize();
        }

        async onApplicationBootstrap(): Promise<void> {
          await this.done;
        }
      }
      @Module({ providers: [Opener] })
      class OpenerModule {}
      const test = await startApp({
        imports: [
          sqliteRoot(file, { ...ENTITIES, manualInitialization: true }),
          OpenerModule,
          feature,
        ],
      });
      await saveBeside(test, 'first');
      await saveBeside(test, 'second');

      expect(file.committed()).toEqual(['first', 'second']);
    });

    it('have their own connections if the application replaces the file while start-up prepares it', async () => {
      let dataSource: DataSource | undefined;
      @Injectable()
      class Backup {
        constructor(@InjectDataSource() injected: DataSource) {
          dataSource = injected;
        }
      }
      let calls = 0;
      const prepareDatabase = async (): Promise<void> => {
        calls += 1;
        if (calls !== 2) return; // the second connection is that of the library
        await dataSource!.destroy();
        for (const end of ['', '-wal', '-shm']) rmSync(`${file.path}${end}`, { force: true });
        await dataSource!.initialize();
      };
      const imports = [sqliteRoot(file, { ...ENTITIES, prepareDatabase }), around(Backup), feature];
      const test = await startApp({ imports });

      expect(file.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
      await saveBeside(test, 'first');
      await saveBeside(test, 'second');
      expect(file.committed()).toEqual(['first', 'second']);
    });

    it('wait for other applications on a file behind a symbolic link that did not exist yet', async () => {
      const [real, link] = ['real', 'link'].map((name) => join(dirname(file.path), name));
      mkdirSync(real!);
      symlinkSync(real!, link!);
      const options = { ...ENTITIES, database: join(link!, 'app.db'), timeout: 1 };
      const early = await startApp({
        imports: [sqliteRoot(undefined, { ...options, manualInitialization: true }), feature],
      });
      await dataSourceOf(early).initialize();
      const late = await startApp({ imports: [sqliteRoot(undefined, options), feature] });
      await saveBeside(late, 'late', early);

      expect(await dataSourceOf(late).getRepository(Note).find()).toMatchObject([{ text: 'late' }]);
    });

    it('work again after one that found the data source while it was initialized again', async () => {
      @Module({ imports: [feature] })
      class LateModule {}
      const test = await startApp({ imports: [sqliteRoot(file, ENTITIES)] });
      await test.app.get(LazyModuleLoader).load(() => LateModule);
      await dataSourceOf(test).destroy();
      const initialized = dataSourceOf(test).initialize();
      await save(test, 'early').catch(() => undefined);
      await initialized;
      await saveBeside(test, 'late');

      expect(file.committed()).toContain('late');
    });

    it('have their own connections if a lazily loaded module imports the library', async () => {
      @Module({ imports: [feature] })
      class LateModule {}
      const test = await startApp({ imports: [sqliteRoot(file, ENTITIES)] });
      await test.app.get(LazyModuleLoader).load(() => LateModule);
      await saveBeside(test, 'first');
      await saveBeside(test, 'second');

      expect(file.committed()).toEqual(['first', 'second']);
    });
  });
});
