import { rmSync } from 'node:fs';
import { Injectable, Scope } from '@nestjs/common';
import {
  EntitySchema,
  EventSubscriber,
  type EntityManager,
  type EntitySubscriberInterface,
  type InsertEvent,
  type Repository,
} from 'typeorm';
import type { Tick } from '../../lib/index.js';
import { getScopedRepositoryToken } from '../../lib/typeorm/index.js';
import { closeApps } from '../support/app.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import {
  countConnections,
  createTestFile,
  removeTestFiles,
  sqliteRoot,
  type TestFile,
} from '../support/sqlite.js';

/** Sets pragmas of every connection. */
const prepare = (...pragmas: string[]) => ({
  prepareDatabase: (connection: { pragma(text: string): unknown }) =>
    pragmas.forEach((text) => connection.pragma(text)),
});

describe('A scope on an SQLite file', () => {
  let file: TestFile;

  beforeEach(() => {
    file = createTestFile();
  });
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  const start = (
    options: { transaction?: boolean } = { transaction: true },
    root: Parameters<typeof sqliteRoot>[1] = {},
  ): Promise<NoteApp> => startNoteApp(sqliteRoot(file, root), options);
  const run = (test: NoteApp, script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run('work');
  };

  it('shows the code that sent a failed statement, in the tick and elsewhere', async () => {
    const test = await start();
    const missing = 'SELECT missing FROM notes';
    async function askInTick({ notes }: NoteScope): Promise<void> {
      await notes.query(missing);
    }
    async function askElsewhere(): Promise<void> {
      await dataSourceOf(test).query(missing);
    }
    async function askInTransaction(): Promise<void> {
      await dataSourceOf(test).transaction((manager) => askWith(manager));
    }
    async function askWith(manager: EntityManager): Promise<void> {
      await manager.query(missing);
    }
    const own = Object.freeze(new Error('of the work itself'));
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 10; // Node's default
    try {
      const report = await run(test, askInTick);
      const error = await askElsewhere().catch((thrown: unknown) => thrown);
      expect((report.error as Error).stack).toContain('askInTick');
      expect((error as Error).stack).toContain('askElsewhere');
      const inner = await askInTransaction().catch((thrown: unknown) => thrown);
      expect((inner as Error).stack).toContain('askWith');
      const { stack } = own;
      const failed = await run(test, ({ manager }) =>
        manager.transaction(() => Promise.reject(own)),
      );
      expect(failed.error).toBe(own);
      expect(own.stack).toBe(stack);
      Error.prepareStackTrace = ({ message }, sites) =>
        [message.toUpperCase(), ...sites.map((site) => `    at ${site.getFunctionName()}`)].join(
          '\n',
        );
      const prepared = await askElsewhere().catch((thrown: unknown) => thrown);
      expect((prepared as Error).message).toContain('no such column');
      expect((prepared as Error).stack).toContain('askElsewhere');
    } finally {
      Error.stackTraceLimit = limit;
      Reflect.deleteProperty(Error, 'prepareStackTrace');
    }
  });

  it('adds the code that sent it to the error of several statements once', async () => {
    const test = await start({ transaction: true });
    const shared = Object.assign(new Error('no connection'), { driverError: {} });
    await run(test, async ({ manager }) => {
      Object.assign(manager.queryRunner!, { connect: () => Promise.reject(shared) });
      await Promise.allSettled(Array.from({ length: 200 }, () => manager.query('SELECT 1')));
    });
    expect(shared.stack!.split('\n').length).toBeLessThan(60);
  });

  describe('with a transaction', () => {
    it('[XB1] commits it when the tick succeeds, and nobody sees it before', async () => {
      const test = await start();
      const report = await run(test, async ({ notes }) => {
        await notes.insert({ text: 'a' });
        await notes.save([{ text: 'b' }, { text: 'c' }]);
        expect(file.committed()).toEqual([]);
        expect(await dataSourceOf(test).getRepository(Note).count()).toBe(0);
      });

      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['a', 'b', 'c']);
    });

    it('[XB1] rolls back when the tick fails, and nothing but its own work', async () => {
      const test = await start();
      const written = gate();
      const failing = gate();
      const report = run(test, async ({ notes }) => {
        await notes.save({ text: 'of the tick' });
        written.open();
        await failing.opened;
      });
      await written.opened;
      const saved = dataSourceOf(test).getRepository(Note).save({ text: 'of a request' });
      failing.fail(new Error('no more'));
      await saved;

      expect(await report).toMatchObject({ outcome: 'failed', disposeErrors: [] });
      expect(file.committed()).toEqual(['of a request']);
    });

    it.each([0, 1, 2, 3])(
      '[XB1] rolls back with several of save() that have just begun (%d)',
      async (turns) => {
        const test = await start();
        const under: Promise<unknown>[] = [];
        const report = await run(test, async ({ notes }) => {
          for (const text of ['a', 'b', 'c']) under.push(notes.save({ text }));
          for (const save of under) save.catch(() => undefined);
          for (let at = 0; at < turns; at += 1) await Promise.resolve();
          throw new Error('no more');
        });
        await Promise.allSettled(under);

        expect(report).toMatchObject({ outcome: 'failed', phase: 'handler' });
        expect(file.committed()).toEqual([]);
      },
    );

    it('[L5] runs a hook after the COMMIT when it was registered before the repository was resolved', async () => {
      const seen: string[][] = [];
      const handler = async ({ scope }: Tick): Promise<void> => {
        scope.onCommit(() => void seen.push(file.committed()));
        const notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
        scope.onCommit(() => void seen.push(file.committed()));
        await notes.save({ text: 'a' });
      };
      const { registry } = await startNoteApp(
        sqliteRoot(file),
        { transaction: true },
        { providers: [worker([], handler)] },
      );
      const report = await registry.run('Worker.run');

      expect(report.error).toBeUndefined();
      expect(seen).toEqual([[], ['a']]); // the later one runs first, inside the transaction
    });

    it('[L5] such a hook still runs before the hooks of providers that were built before it was registered', async () => {
      const order: string[] = [];
      @Injectable({ scope: Scope.REQUEST })
      class Outbox {
        onScopeCommit(): void {
          order.push(`outbox: ${file.committed().join()}`);
        }
      }
      const handler = async ({ scope }: Tick): Promise<void> => {
        scope.onCommit(() => void order.push(`hook: ${file.committed().join()}`));
        const notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
        await notes.save({ text: 'a' });
      };
      const { registry } = await startNoteApp(
        sqliteRoot(file),
        { transaction: true },
        { providers: [Outbox, worker([Outbox], handler)] },
      );
      await registry.run('Worker.run');

      expect(order).toEqual(['hook: a', 'outbox: a']);
    });

    describe.each(['compiled', 'nest'] as const)('with resolution: %j', (resolution) => {
      it.each(['before', 'after'])(
        '[B38] commits after the hook of a provider that is injected %s it and does not use it',
        async (place) => {
          const seen: string[][] = [];
          @Injectable({ scope: Scope.REQUEST })
          class Mailer {
            onScopeCommit(): void {
              seen.push(file.committed());
              if (seen.length === 4) throw new Error('mail server down');
            }
          }
          const notes = getScopedRepositoryToken(Note);
          const inject = place === 'before' ? [Mailer, notes] : [notes, Mailer];
          const uses = {
            provide: 'Uses',
            inject,
            useFactory: (...all: unknown[]) => all[inject.indexOf(notes)],
          };
          const handler = async ({ scope }: Tick): Promise<void> => {
            const own = await scope.resolve<Repository<Note>>('Uses');
            await own.save({ text: 'a' });
          };
          const { registry } = await startNoteApp(
            sqliteRoot(file),
            { transaction: true },
            {
              options: { resolution },
              providers: [Mailer, uses, worker([], handler)],
            },
          );
          const reports = [];
          for (let run = 0; run < 4; run += 1) reports.push(await registry.run('Worker.run'));

          expect(seen).toEqual([[], ['a'], ['a', 'a'], ['a', 'a', 'a']]);
          expect(reports.at(-1)).toMatchObject({ outcome: 'failed', phase: 'commit' });
          expect(reports.at(-1)).not.toHaveProperty('isPartlyCommitted', true);
          expect(file.committed()).toEqual(['a', 'a', 'a']);
        },
      );
    });

    it('[XA8] is not run again by a retry when a hook fails after the COMMIT', async () => {
      const handler = async ({ scope }: Tick): Promise<void> => {
        scope.onCommit(() => Promise.reject(new Error('mail server down')));
        const notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
        await notes.save({ text: 'a' });
      };
      const { registry, log } = await startNoteApp(
        sqliteRoot(file),
        { transaction: true },
        { providers: [worker([], handler, { retry: { attempts: 3 } })] },
      );
      const report = await registry.run('Worker.run');

      expect(report).toMatchObject({
        outcome: 'failed',
        phase: 'commit',
        isPartlyCommitted: true,
        attempts: 1,
      });
      expect(file.committed()).toEqual(['a']);
      expect(log.of('error').join()).toContain(
        `Worker.run failed (${report.tickId}, phase commit, after one transaction was already committed)`,
      );
    });

    it('reads what it has read before: two ticks that read first and write later wait for each other', async () => {
      const test = await start();
      await dataSourceOf(test).getRepository(Note).save({ text: '0' });
      test.script = async ({ notes }) => {
        const [note] = await notes.find();
        note!.text = String(Number(note!.text) + 1);
        await notes.save(note!);
      };
      const reports = await Promise.all(
        Array.from({ length: 20 }, () => test.registry.run('work')),
      );

      expect(reports.map(({ error }) => error)).toEqual(Array(20).fill(undefined));
      expect(file.committed()).toEqual(['20']);
    });

    it('fails the tick when SQLite has rolled back by itself and the handler goes on', async () => {
      const test = await start();
      const report = await run(test, async ({ manager, notes }) => {
        await notes.insert({ id: 1, text: 'a' });
        await manager
          .query(`INSERT OR ROLLBACK INTO notes (id, text) VALUES (1, 'b')`)
          .catch(() => undefined);
        await notes.insert({ text: 'c' }).catch(() => undefined);
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'commit', disposeErrors: [] });
      expect((report.error as Error).message).toBe(
        'The database rolled back the transaction of the scope when a statement failed, and the handler continued. Do not catch the error of that statement.',
      );
      expect(file.committed()).toEqual([]);
    });

    it('makes transactions inside of it savepoints', async () => {
      const test = await start();
      const report = await run(test, async ({ manager, notes }) => {
        await notes.save({ text: 'before' });
        await manager
          .transaction(async (nested) => {
            await nested.save(Note, { text: 'nested' });
            throw new Error('only this');
          })
          .catch(() => undefined);
        await notes.save({ text: 'after' });
      });

      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['after', 'before']);
    });
  });

  describe('without a transaction', () => {
    it('keeps each save(), also when the tick fails', async () => {
      const test = await start({});
      await run(test, async ({ notes }) => {
        await notes.save({ text: 'kept' });
        throw new Error('too late');
      });

      expect(file.committed()).toEqual(['kept']);
    });

    it('does not end a transaction of a request when it ends', async () => {
      const test = await start({});
      const inside = gate();
      const ended = gate();
      const request = dataSourceOf(test).transaction(async (manager) => {
        await manager.save(Note, { text: 'of a request' });
        inside.open();
        await ended.opened;
        await manager.save(Note, { text: 'of it too' });
      });
      await inside.opened;
      const report = await run(test, async ({ notes }) => expect(await notes.count()).toBe(0));
      ended.open();
      await request;

      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['of a request', 'of it too']);
    });

    it('saves what is sent at once with a statement that fails, and what follows it', async () => {
      const test = await start({});
      const report = await run(test, async ({ notes }) => {
        await notes.insert({ id: 1, text: 'a' });
        const [failed, saved] = await Promise.allSettled([
          notes.insert({ id: 1, text: 'never' }),
          notes.save({ text: 'at once' }),
        ]);
        expect(failed.status).toBe('rejected');
        expect(saved.status).toBe('fulfilled');
        await notes.save({ text: 'later' });
      });

      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['a', 'at once', 'later']);
    });

    it('begins transactions again after SQLite has rolled one back by itself', async () => {
      const test = await start({});
      const report = await run(test, async ({ manager }) => {
        await manager.save(Note, { id: 1, text: 'a' });
        const rolledBack = manager.transaction((own) =>
          own.query(`INSERT OR ROLLBACK INTO notes (id, text) VALUES (1, 'never')`),
        );
        await expect(rolledBack).rejects.toThrow('UNIQUE constraint failed');
        const failed = manager.transaction(async (own) => {
          await own.save(Note, { text: 'never' });
          throw new Error('no more');
        });
        await expect(failed).rejects.toThrow('no more');
        await manager.transaction((own) => own.save(Note, { text: 'b' }));
      });

      expect(report.error).toBeUndefined();
      expect(file.committed()).toEqual(['a', 'b']);
    });

    it('rolls back a transaction that the handler began and did not end, and says so', async () => {
      const test = await start({});
      const report = await run(test, async ({ manager }) => {
        await manager.query('BEGIN');
        await manager.query(`INSERT INTO notes (text) VALUES ('left open')`);
      });
      await dataSourceOf(test).getRepository(Note).save({ text: 'of a request' });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose' });
      expect(String(report.error)).toContain('was still open on the connection of the scope');
      expect(file.committed()).toEqual(['of a request']);
    });
  });

  describe('has a connection', () => {
    const pragmas = async ({ manager }: NoteScope): Promise<unknown[]> => {
      const names = ['journal_mode', 'busy_timeout', 'foreign_keys', 'cache_size'];
      const rows = await Promise.all(
        names.map((name) => manager.query<Record<string, unknown>[]>(`PRAGMA ${name}`)),
      );
      return rows.map(([row]) => Object.values(row!)[0]);
    };

    it('in WAL, with a busy timeout and foreign keys, and prepared as the application says', async () => {
      const test = await start(
        { transaction: true },
        {
          prepareDatabase: (connection: { pragma(text: string): unknown }) =>
            void connection.pragma('cache_size = -1234'),
        },
      );

      expect((await run(test, pragmas)).value).toEqual(['wal', 5_000, 1, -1234]);
    });

    it('in WAL also on another file, which the data source finds when it is initialized again', async () => {
      const test = await start({ transaction: true });
      const dataSource = dataSourceOf(test);
      await run(test, ({ notes }) => notes.save({ text: 'before' }));
      await dataSource.destroy();
      rmSync(file.path);
      await dataSource.initialize();
      await run(test, ({ notes }) => notes.save({ text: 'after' }));

      expect(file.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
      expect(file.committed()).toEqual(['after']);
    });

    it('also if the application has a transaction open when the first scope opens after initialize()', async () => {
      const test = await start({ transaction: true });
      const dataSource = dataSourceOf(test);
      await dataSource.destroy();
      await dataSource.initialize();
      const report = await dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'a' });
        return run(test, ({ notes }) => notes.count());
      });

      expect(report.error).toBeUndefined();
      expect(report.value).toBe(0);
    });

    it.each([
      ['FULL', 'the library switches to WAL', {}, 2],
      ['as the driver opens it', 'the application asks for WAL', { enableWAL: true }, 1],
      ['FULL', 'the application prepares something else', prepare('cache_size = -1000'), 2],
      ['FULL', 'the application prepares only WAL', prepare('journal_mode = WAL'), 2],
      ['EXTRA', 'the application prepares it so', prepare('synchronous = EXTRA'), 3],
      ['OFF', 'the application prepares it so', prepare('synchronous = OFF'), 0],
      ['NORMAL', 'the application prepares it so', prepare('synchronous = NORMAL'), 1],
      [
        'NORMAL',
        'the application prepares it so, and WAL',
        prepare('journal_mode = WAL', 'synchronous = NORMAL'),
        1,
      ],
    ])('with synchronous %s when %s', async (_level, _why, options, synchronous) => {
      const test = await start({}, options);
      const ask = async (db: Pick<EntityManager, 'query'>): Promise<unknown> => {
        await db.query('SELECT * FROM sqlite_master'); // SQLite lowers the level when it first reads a file that is in WAL
        return db.query('PRAGMA synchronous');
      };

      expect((await run(test, ({ manager }) => ask(manager))).value).toEqual([{ synchronous }]);
      expect(await ask(dataSourceOf(test).manager)).toEqual([{ synchronous }]);
      await dataSourceOf(test).destroy();
      await dataSourceOf(test).initialize(); // the file is in WAL before the first connection
      expect(await ask(dataSourceOf(test).manager)).toEqual([{ synchronous }]);
    });

    it('with synchronous FULL also for databases that are attached', async () => {
      const attached = `${file.path}-attached`;
      const test = await start(
        {},
        {
          prepareDatabase: (connection: { exec(sql: string): unknown }) =>
            void connection.exec(
              `ATTACH '${attached}' AS "an ""other"""; CREATE TABLE IF NOT EXISTS "an ""other""".a (b)`,
            ),
        },
      );
      const ask = async (db: Pick<EntityManager, 'query'>): Promise<unknown> => {
        await db.query('SELECT * FROM "an ""other""".sqlite_master');
        return db.query('PRAGMA "an ""other""".synchronous');
      };
      expect((await run(test, ({ manager }) => ask(manager))).value).toEqual([{ synchronous: 2 }]);
      expect(await ask(dataSourceOf(test).manager)).toEqual([{ synchronous: 2 }]);
      await dataSourceOf(test).destroy();
      await dataSourceOf(test).initialize();

      expect(await ask(dataSourceOf(test).manager)).toEqual([{ synchronous: 2 }]);
    });

    it('with the busy timeout of the application', async () => {
      const test = await start({}, { timeout: 1_500 });

      expect((await run(test, pragmas)).value).toEqual(expect.arrayContaining([1_500]));
    });

    it('with the metadata, subscribers and log of the data source, which it does not build again', async () => {
      const inserted: string[] = [];
      @EventSubscriber()
      class Subscriber implements EntitySubscriberInterface<Note> {
        listenTo(): typeof Note {
          return Note;
        }

        afterInsert({ entity }: InsertEvent<Note>): void {
          inserted.push(entity.text);
        }
      }
      const statements: string[] = [];
      const logged = (sql: string): void => void statements.push(sql);
      const nothing = (): void => undefined;
      const test = await start(
        { transaction: true },
        {
          subscribers: [Subscriber],
          dropSchema: true,
          migrationsRun: true,
          logger: {
            logQuery: logged,
            logQueryError: nothing,
            logQuerySlow: nothing,
            logSchemaBuild: nothing,
            logMigration: nothing,
            log: nothing,
          },
        },
      );
      const dataSource = dataSourceOf(test);
      await dataSource.getRepository(Note).save({ text: 'before' });
      statements.length = 0;
      const report = await run(test, async ({ manager, notes }) => {
        expect(notes.metadata).toBe(dataSource.getMetadata(Note));
        await manager.save(Note, { text: 'noted' });
      });

      expect(report.error).toBeUndefined();
      expect(inserted).toEqual(['before', 'noted']);
      expect(statements).toEqual([
        'BEGIN IMMEDIATE TRANSACTION',
        'SAVEPOINT typeorm_1',
        expect.stringContaining('INSERT INTO "notes"'),
        'RELEASE SAVEPOINT typeorm_1',
        'COMMIT',
      ]);
      expect(file.committed()).toEqual(['before', 'noted']);
    });

    it('with the databases that entities attach', async () => {
      const Attached = new EntitySchema<{ id: number; text: string }>({
        name: 'Attached',
        database: 'attached.db',
        columns: { id: { type: 'int', primary: true, generated: true }, text: { type: 'text' } },
      });
      const test = await startNoteApp(
        sqliteRoot(file, { entities: [Attached], autoLoadEntities: true } as object),
        { transaction: true },
      );
      const report = await run(test, async ({ manager, notes }) => {
        await notes.save({ text: 'a' });
        await manager.save(Attached, { text: 'b' });
      });

      expect(report.error).toBeUndefined();
      expect(await dataSourceOf(test).manager.find(Attached)).toEqual([{ id: 1, text: 'b' }]);
      expect(file.committed()).toEqual(['a']);
    });

    it('separately: each scope at once, and a new entity manager each time', async () => {
      const connections = countConnections();
      const test = await start({}, { driver: connections.driver });
      const managers = new Set<unknown>();
      const meet = gate();
      let waiting = 0;
      test.script = async ({ manager }) => {
        managers.add(manager);
        await manager.query('SELECT 1');
        if ((waiting += 1) === 3) meet.open();
        await meet.opened;
      };
      expect(connections.opened).toBe(1);
      await Promise.all(Array.from({ length: 3 }, () => test.registry.run('work')));

      expect(managers.size).toBe(3);
      expect(connections.opened).toBe(1 + 3);
    });

    it('also in scopes inside of scopes, when the pool is used up', async () => {
      const test = await start({});
      const meet = gate();
      let waiting = 0;
      test.script = async ({ notes, tick }) => {
        if (tick.payload === 'inner') return notes.count();
        await notes.count();
        if ((waiting += 1) === 10) meet.open();
        await meet.opened;
        const inner = await test.registry.run('work', { payload: 'inner' });
        return inner.value;
      };
      const reports = await Promise.all(
        Array.from({ length: 20 }, () => test.registry.run('work')),
      );

      expect(reports.map(({ value }) => value)).toEqual(Array(20).fill(0));
    });

    it('or fails when none can be opened, and so do those that wait for one', async () => {
      let isBroken = false;
      const connections = countConnections();
      const test = await start(
        {},
        {
          driver: connections.driver,
          prepareDatabase: () => {
            if (isBroken) throw new Error('cannot be prepared');
          },
        },
      );
      isBroken = true;
      test.script = ({ notes }) => notes.count();
      const reports = await Promise.all(
        Array.from({ length: 25 }, () => test.registry.run('work')),
      );
      expect(reports.map(({ error }) => (error as Error).message)).toEqual(
        Array(25).fill('cannot be prepared'),
      );
      isBroken = false;
      expect((await test.registry.run('work')).value).toBe(0);
      await test.app.close();
      expect(connections.closed).toBe(connections.opened);
    });

    it('from a bounded pool, and none without a statement; all are closed at shutdown', async () => {
      const connections = countConnections();
      const test = await start({ transaction: true }, { driver: connections.driver });
      await run(test, () => undefined);
      expect(connections.opened).toBe(1);
      test.script = async ({ notes }) => {
        await notes.count();
        await notes.save({ text: 'x' });
      };
      await Promise.all(Array.from({ length: 50 }, () => test.registry.run('work')));

      expect(file.committed()).toHaveLength(50);
      expect(connections.opened).toBeLessThanOrEqual(1 + 10);
      await test.app.close();
      expect(connections.closed).toBe(connections.opened);
    });
  });
});
