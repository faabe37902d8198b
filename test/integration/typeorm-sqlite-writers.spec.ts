import { AsyncResource } from 'node:async_hooks';
import { jest } from '@jest/globals';
import { Controller, Get, Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import Database from 'better-sqlite3';
import {
  AfterInsert,
  BaseEntity,
  Column,
  Entity,
  EventSubscriber,
  PrimaryGeneratedColumn,
  type AfterQueryEvent,
  type DataSource,
  type EntityManager,
  type EntitySubscriberInterface,
  type InsertEvent,
  Repository,
  type QueryRunner,
  type TransactionStartEvent,
} from 'typeorm';
import {
  getScopedEntityManagerToken,
  getScopedRepositoryToken,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { startHttpApp } from '../support/http-app.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

const WAYS = ['dataSource.transaction', 'manager.transaction'] as const;
type Way = (typeof WAYS)[number];

const WAITS_FOR_ITSELF = 'could wait for itself, so the library refused it: ';

let note: (text: string) => Promise<unknown>;

@Entity('orders')
class Order extends BaseEntity {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  text!: string;

  @AfterInsert()
  async audit(): Promise<void> {
    await note(`audited ${this.text}`);
  }
}

describe('Writers of one SQLite file', () => {
  let file: TestFile;
  let test: NoteApp;
  let dataSource: DataSource;
  let plain: Repository<Note>;

  beforeEach(() => {
    file = createTestFile();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeApps();
    removeTestFiles();
  });

  const start = async (
    root: Parameters<typeof sqliteRoot>[1] = {},
    transaction = true,
  ): Promise<void> => {
    test = await startNoteApp(sqliteRoot(file, root), { transaction });
    dataSource = dataSourceOf(test);
    plain = dataSource.getRepository(Note);
  };
  const startWithOrders = async (transaction = true): Promise<void> => {
    const imports = [sqliteRoot(file), ScopedTypeOrmModule.forFeature([Order])];
    test = await startNoteApp({ module: class Root {}, imports }, { transaction });
    dataSource = dataSourceOf(test);
    plain = dataSource.getRepository(Note);
    note = (text) => plain.insert({ text });
  };
  /** Begins a transaction inside another one. */
  const begin = (
    way: Way,
    around: EntityManager,
    work: (manager: EntityManager) => Promise<unknown>,
  ): Promise<unknown> =>
    way === 'manager.transaction' ? around.transaction(work) : dataSource.transaction(work);
  /** With a second data source, on its own file. */
  const startWithArchive = async (transaction = true): Promise<DataSource> => {
    const imports = [
      sqliteRoot(file),
      sqliteRoot(createTestFile(), { name: 'archive' }),
      ScopedTypeOrmModule.forFeature([Note], { dataSource: 'archive', transaction }),
    ];
    test = await startNoteApp({ module: class Root {}, imports }, { transaction });
    dataSource = dataSourceOf(test);
    plain = dataSource.getRepository(Note);
    return dataSourceOf(test, 'archive');
  };
  const run = (script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run('work');
  };
  /** A tick that has written and waits, with its transaction open, until it is let go. */
  const writingTick = async (text = 'of a tick') => {
    const written = gate();
    const end = gate();
    const report = run(async ({ notes }) => {
      await notes.save({ text });
      written.open();
      await end.opened;
    });
    await written.opened;
    return { report, end };
  };
  /** True while a promise has not settled after some turns of the event loop, which would be blocked if SQLite waited. */
  const isWaiting = async (work: Promise<unknown>): Promise<boolean> => {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    work.then(settle, settle);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    return !isSettled;
  };

  describe('while a tick has a transaction open', () => {
    it.each<[string, () => Promise<unknown>]>([
      ['a plain save()', () => plain.save({ text: 'plain' })],
      ['a plain insert()', () => plain.insert({ text: 'plain' })],
      ['a statement', () => dataSource.query(`INSERT INTO notes (text) VALUES ('plain')`)],
      ['a transaction', () => dataSource.transaction((own) => own.save(Note, { text: 'plain' }))],
    ])('%s waits for it, and the event loop goes on', async (_, write) => {
      await start();
      const { report, end } = await writingTick();
      const writing = write();
      expect(await isWaiting(writing)).toBe(true);
      expect(await plain.count()).toBe(0);
      end.open();
      await writing;

      expect((await report).error).toBeUndefined();
      expect(file.committed()).toEqual(['of a tick', 'plain']);
    });

    it('a write that waits keeps the process running', async () => {
      await start();
      const { report, end } = await writingTick();
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const before = timers();
      const writing = plain.save({ text: 'plain' });
      expect(await isWaiting(writing)).toBe(true);
      expect(timers()).toBe(before + 1);
      end.open();
      await Promise.all([writing, report]);

      expect(timers()).toBe(before);
    });

    it('a request is answered all the same, and one that writes after that', async () => {
      @Controller()
      class NoteController {
        constructor(@InjectDataSource() private readonly source: DataSource) {}

        @Get('count')
        count(): Promise<number> {
          return this.source.getRepository(Note).count();
        }

        @Get('write')
        async write(): Promise<string[]> {
          return this.source.transaction(async (manager) => {
            await manager.save(Note, { text: 'of a request' });
            return (await manager.find(Note)).map(({ text }) => text).sort();
          });
        }
      }
      const served = await startNoteApp(
        sqliteRoot(file),
        { transaction: true },
        { start: startHttpApp, controllers: [NoteController] },
      );
      test = served;
      const { end } = await writingTick();
      const writes = Promise.all([served.get('/write'), served.get('/write')]);
      expect(await served.get('/count')).toBe(0);
      end.open();

      expect((await writes).map((texts) => (texts as string[]).length)).toEqual(
        expect.arrayContaining([2, 3]),
      );
      await served.http.close();
    });
  });

  describe('of the application alone', () => {
    it('have a transaction each: one that fails takes nothing of others with it', async () => {
      await start();
      const written = gate();
      const failing = gate();
      const failed = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'rolled back' });
        written.open();
        await failing.opened;
      });
      await written.opened;
      const kept = Promise.all([
        plain.save({ text: 'saved' }),
        plain.insert({ text: 'inserted' }),
        dataSource.transaction((manager) => manager.save(Note, { text: 'in a transaction' })),
      ]);
      expect(await isWaiting(kept)).toBe(true);
      expect(await plain.count()).toBe(0);
      failing.fail(new Error('no more'));

      await expect(failed).rejects.toThrow('no more');
      await kept;
      expect(file.committed()).toEqual(['in a transaction', 'inserted', 'saved']);
    });

    it('a tick waits for the transaction of a request, and sees nothing of it before', async () => {
      await start();
      const inside = gate();
      const end = gate();
      const request = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'of a request' });
        inside.open();
        await end.opened;
      });
      await inside.opened;
      const report = run(async ({ notes }) => (await notes.find()).length);
      expect(await isWaiting(report)).toBe(true);
      end.open();
      await request;

      expect(await report).toMatchObject({ outcome: 'succeeded', value: 1 });
    });

    it('inside of a transaction, what a repository writes and reads is part of it, as before', async () => {
      await start();
      const failed = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'a' });
        await plain.save({ text: 'b' });
        expect(await plain.count()).toBe(2);
        await dataSource.transaction((nested) => nested.save(Note, { text: 'c' }));
        throw new Error('no more');
      });

      await expect(failed).rejects.toThrow('no more');
      expect(file.committed()).toEqual([]);
      await plain.save({ text: 'later' });
      expect(file.committed()).toEqual(['later']);
    });

    it.each<Way>(WAYS)(
      'a transaction that fails while %s() inside of it is open is rolled back with that',
      async (way) => {
        await start();
        const [written, end] = [gate(), gate()];
        const errors: unknown[] = [];
        const inner = async (outside: EntityManager): Promise<void> => {
          const ended = begin(way, outside, async (manager) => {
            await manager.save(Note, { text: 'inner' });
            written.open();
            await end.opened;
            await manager.save(Note, { text: 'rest' }).catch((error: unknown) => {
              errors.push(error);
              throw error;
            });
          });
          await ended.catch((error: unknown) => errors.push(error));
        };
        let innerEnd: Promise<void> | undefined;
        const outer = dataSource.transaction(async (manager) => {
          await manager.save(Note, { text: 'outer' });
          innerEnd = inner(manager);
          await Promise.all([innerEnd, written.opened.then(() => Promise.reject(new Error('no')))]);
        });
        await expect(outer).rejects.toThrow('no');
        await plain.save({ text: 'later' });
        end.open();
        await innerEnd;

        expect(errors).toHaveLength(2);
        expect(String(errors[0])).toContain('failed while another one inside it was open');
        expect(errors[1]).toBe(errors[0]);
        await plain.save({ text: 'last' });
        expect(file.committed()).toEqual(['last', 'later']);
      },
    );

    it.each([
      ['dataSource.transaction', true, 0],
      ['dataSource.transaction', false, 0],
      ['dataSource.transaction', false, 3],
      ['dataSource.transaction', false, 10],
      ['dataSource.transaction', false, 18],
      ['manager.transaction', true, 0],
      ['manager.transaction', false, 0],
      ['manager.transaction', false, 18],
    ] as const)(
      'a transaction that begins with %s while the one around it ends takes effect or is rejected; succeeding: %j, after %d',
      async (way, isSuccess, lead) => {
        await start();
        const texts: string[] = [];
        // However far the end of the outer one has come.
        for (let delay = 0; delay < 60; delay += 1) {
          let inner: Promise<void> | undefined;
          const beginInside = async (around: EntityManager): Promise<void> => {
            for (let passed = 0; passed < delay; passed += 1) await Promise.resolve();
            await begin(way, around, async (manager) => {
              await manager.insert(Note, { text: `i${delay}, first` });
              await turn();
              await manager.insert(Note, { text: `i${delay}, second` });
            });
            texts.push(`i${delay}, first`, `i${delay}, second`);
          };
          const outer = dataSource.transaction(async (manager) => {
            await manager.insert(Note, { text: `o${delay}` });
            inner = beginInside(manager);
            inner.catch(() => undefined);
            for (let passed = 0; passed < lead; passed += 1) await Promise.resolve();
            if (!isSuccess) throw new Error('no more');
          });
          await outer.then(
            () => texts.push(`o${delay}`),
            (error: Error) => expect(error.message).toBe('no more'),
          );
          await inner!.catch(() => undefined);
        }
        await plain.insert({ text: 'after' });

        const committed = file.committed();
        expect(committed).toContain('after');
        expect([...texts, 'after']).toEqual(expect.arrayContaining(committed));
        // One that ends inside of the outer one is rolled back with that.
        const lost = isSuccess ? texts.filter((text) => !committed.includes(text)) : [];
        expect(lost).toEqual([]);
      },
    );

    it.each([
      ['begins as the callback ends', false],
      ['is open when the callback fails', true],
    ])(
      'one on a query runner that is kept begins as usual after one inside of which another %s, without await',
      async (_, isFailing) => {
        await start();
        const runner = dataSource.createQueryRunner();
        const results: unknown[] = [];
        for (const text of ['a', 'b']) {
          const [begun, end] = [gate(), gate()];
          const beginInside = async (around: EntityManager): Promise<void> => {
            if (!isFailing) for (let passed = 0; passed < 2; passed += 1) await Promise.resolve();
            await around.transaction(async (manager) => {
              await manager.insert(Note, { text: `${text}, inside` });
              begun.open();
              await end.opened;
            });
          };
          let inside: Promise<void> | undefined;
          const outer = runner.manager.transaction(async (manager) => {
            await manager.insert(Note, { text });
            inside = beginInside(manager);
            inside.catch(begun.open);
            if (isFailing) await begun.opened;
            if (isFailing && text === 'a') throw new Error('not a');
          });
          await outer.then(
            () => results.push(text),
            (error: Error) => results.push(error.message),
          );
          end.open();
          await inside!.catch(() => undefined);
        }
        await runner.release();

        expect(results).toEqual([isFailing ? 'not a' : 'a', 'b']);
        const committed = file.committed();
        expect(committed.includes('a')).toBe(!isFailing);
        expect(committed).toContain('b');
        expect(committed).not.toContain('a, inside');
      },
    );

    it('the rest of an inner one is refused even if another inner one has ended before', async () => {
      await start();
      const [begun, end] = [gate(), gate()];
      let inner: Promise<unknown> | undefined;
      const outer = dataSource.transaction(async (manager) => {
        await manager.insert(Note, { text: 'outer' });
        void manager.transaction((nested) => nested.insert(Note, { text: 'short' })).catch(() => 0);
        inner = dataSource.transaction(async (nested) => {
          await nested.insert(Note, { text: 'first' });
          begun.open();
          await end.opened;
          await nested.insert(Note, { text: 'second' });
        });
        inner.catch(() => undefined);
        await begun.opened;
        throw new Error('no more');
      });
      await expect(outer).rejects.toThrow('no more');
      end.open();
      await expect(inner).rejects.toThrow('failed while another one inside it was open');
      await plain.insert({ text: 'later' });

      expect(file.committed()).toEqual(['later']);
    });

    it('a query runner on which SQLite itself has ended the transaction can nest transactions again', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      const failed = runner.manager.transaction(async (manager) => {
        await manager.query(`INSERT INTO notes (id, text) VALUES (1, 'a')`);
        await manager.query(`INSERT OR ROLLBACK INTO notes (id, text) VALUES (1, 'b')`);
      });
      await expect(failed).rejects.toThrow('UNIQUE');
      await runner.manager.transaction(async (manager) => {
        await manager.transaction((nested) => nested.insert(Note, { text: 'nested' }));
      });
      await runner.release();

      expect(file.committed()).toEqual(['nested']);
    });

    it('two transactions that write to two files in opposite order: one is refused at once, and the other goes on', async () => {
      const archive = await startWithArchive();
      const written = [gate(), gate()];
      const move = (from: DataSource, to: DataSource, own: number): Promise<unknown> =>
        from.transaction(async (manager) => {
          await manager.insert(Note, { text: `moved ${own}` });
          written[own]!.open();
          await written[1 - own]!.opened;
          await to.getRepository(Note).insert({ text: `moved ${own}` });
        });
      const moves = [move(dataSource, archive, 0), move(archive, dataSource, 1)];
      const results = await Promise.allSettled(moves);

      expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const { reason } = results.find((each) => each.status === 'rejected')!;
      expect(reason).toMatchObject({ code: 'WRITE_REFUSED', holder: 'the application' });
      expect(String(reason)).toContain('Write to the files in the same order everywhere');
      const moved = [`moved ${results[0]!.status === 'fulfilled' ? 0 : 1}`];
      expect(file.committed()).toEqual(moved);
      expect((await archive.getRepository(Note).find()).map(({ text }) => text)).toEqual(moved);
    });

    it('inside of transactions of two data sources, what a repository writes is part of its transaction', async () => {
      const archive = await startWithArchive();
      const moving = dataSource.transaction(() =>
        archive.transaction(async (manager) => {
          await manager.save(Note, { text: 'archived' });
          await plain.save({ text: 'moved' });
          throw new Error('no more');
        }),
      );
      await expect(moving).rejects.toThrow('no more');
      expect(file.committed()).toEqual([]);
      expect(await archive.getRepository(Note).count()).toBe(0);
    });

    it('a statement inside of one of another data source is sent inside of the statement around that', async () => {
      const archive = await startWithArchive();
      const audits: Promise<unknown>[] = [];
      const auditing = (audit: () => Promise<unknown>): EntitySubscriberInterface<Note> => ({
        afterQuery: async ({ query }) => {
          if (!query.startsWith('SELECT COUNT')) return;
          audits.push(audit());
          await audits.at(-1);
        },
      });
      dataSource.subscribers.push(auditing(() => archive.getRepository(Note).count()));
      archive.subscribers.push(auditing(() => plain.insert({ text: 'audited' })));
      const moving = dataSource.transaction(async (manager) => {
        await manager.count(Note);
        await Promise.all(audits); // TypeORM 0.3 doesn't
      });

      expect(await isWaiting(moving)).toBe(false);
      expect(file.committed()).toEqual(['audited']);
    });

    it('inside of a transaction of a repository class with its own entity manager, it is part of that', async () => {
      @Injectable()
      class Notes extends Repository<Note> {
        constructor(@InjectDataSource() source: DataSource) {
          super(Note, source.createEntityManager());
        }
      }
      test = await startNoteApp(sqliteRoot(file), { transaction: true }, { providers: [Notes] });
      plain = dataSourceOf(test).getRepository(Note);
      const failed = test.app.get(Notes).manager.transaction(async (manager) => {
        await manager.save(Note, { text: 'a' });
        await plain.save({ text: 'b' });
        throw new Error('no more');
      });

      await expect(failed).rejects.toThrow('no more');
      expect(file.committed()).toEqual([]);
    });

    it('a subscriber that writes through the data source does so in the transaction of the save()', async () => {
      @EventSubscriber()
      class Audit implements EntitySubscriberInterface<Note> {
        listenTo(): typeof Note {
          return Note;
        }

        async afterInsert({ entity }: InsertEvent<Note>): Promise<void> {
          if (entity.text !== 'audited') await plain.save({ text: 'audited' });
        }
      }
      await start({ subscribers: [Audit] });
      await plain.save({ text: 'a' });

      expect(file.committed()).toEqual(['a', 'audited']);
    });

    it('a subscriber that does not await what it writes loses nothing while others wait for their turn', async () => {
      const audits: Promise<unknown>[] = [];
      class Audit implements EntitySubscriberInterface<Note> {
        afterInsert({ entity: { text } }: InsertEvent<Note>): void {
          if (text !== 'audited') audits.push(plain.save({ text: 'audited' }));
        }
      }
      await start();
      dataSource.subscribers.push(new Audit());
      await Promise.all(['a', 'b', 'c'].map((text) => plain.save({ text })));
      await Promise.all(audits);

      expect(file.committed()).toEqual(['a', 'audited', 'audited', 'audited', 'b', 'c']);
    });

    describe.each<[string, (event: AfterQueryEvent) => Promise<unknown>]>([
      ['the data source', () => plain.save({ text: 'audited' })],
      ['its event', ({ manager }) => manager.save(Note, { text: 'audited' })],
    ])('a subscriber of a read that writes through %s', (_, audit) => {
      class Audit implements EntitySubscriberInterface<Note> {
        async afterQuery(event: AfterQueryEvent): Promise<void> {
          if (event.query.startsWith('SELECT COUNT')) await audit(event);
        }
      }

      it('does so in its turn, beside others that write', async () => {
        await start();
        dataSource.subscribers.push(new Audit());
        await Promise.all([
          plain.count(),
          plain.save({ text: 'a' }),
          plain.count(),
          run(({ notes }) => notes.save({ text: 'tick' })),
          dataSource.transaction((manager) => manager.save(Note, { text: 'b' })),
        ]);
        await plain.save({ text: 'c' });

        expect(file.committed()).toEqual(['a', 'audited', 'audited', 'b', 'c', 'tick']);
      });
    });

    it.each<Way>(WAYS)(
      '%s() inside of a transaction that nobody awaits ends it, and nothing is lost',
      async (way) => {
        await start();
        const [written, end] = [gate(), gate()];
        let inner: Promise<unknown> | undefined;
        await dataSource.transaction(async (manager) => {
          inner = begin(way, manager, async (nested) => {
            await nested.save(Note, { text: 'nested' });
            written.open();
            await end.opened;
          });
          await written.opened;
          await manager.save(Note, { text: 'a' });
        });
        const next = plain.manager.transaction((later) => later.save(Note, { text: 'later' }));
        expect(await isWaiting(next)).toBe(true);
        end.open();
        await Promise.all([inner, next]);

        expect(file.committed()).toEqual(['a', 'later', 'nested']);
      },
    );

    it('a query runner that was left by both who used it is rolled back, and others can write', async () => {
      await start();
      const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      const [written, end] = [gate(), gate()];
      let inner: Promise<unknown> | undefined;
      await dataSource.transaction(async (manager) => {
        inner = (async () => {
          const nested = dataSource.createQueryRunner();
          await nested.startTransaction();
          await nested.manager.save(Note, { text: 'nested' });
          written.open();
          await end.opened;
          await nested.release();
        })();
        await written.opened;
        await manager.save(Note, { text: 'a' });
      });
      end.open();
      await inner;
      await plain.save({ text: 'later' });

      expect(file.committed()).toEqual(['later']);
      expect(warn).toHaveBeenCalledWith(
        expect.stringContaining('The library rolled the transaction back'),
      );
    });

    it('a listener of an entity that writes through the data source does so in the transaction of the save()', async () => {
      await startWithOrders();
      await Order.create({ text: 'a' }).save();
      const failed = dataSource.transaction(async (manager) => {
        await manager.save(Order.create({ text: 'b' }));
        throw new Error('no more');
      });

      await expect(failed).rejects.toThrow('no more');
      expect(file.committed()).toEqual(['audited a']);
    });

    it('with a query runner, the transaction is its own', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      await runner.connect();
      await runner.startTransaction();
      await runner.manager.save(Note, { text: 'rolled back' });
      const other = plain.save({ text: 'kept' });
      expect(await isWaiting(other)).toBe(true);
      await runner.rollbackTransaction();
      await runner.release();
      await other;

      expect(file.committed()).toEqual(['kept']);
    });

    it('with a query runner, the transaction is its own also when it was begun with a statement', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      await runner.query('BEGIN');
      await runner.query(`INSERT INTO notes (text) VALUES ('rolled back')`);
      const other = plain.save({ text: 'kept' });
      expect(await isWaiting(other)).toBe(true);
      expect(await plain.count()).toBe(0);
      await runner.query('ROLLBACK');
      await runner.release();
      await other;

      expect(file.committed()).toEqual(['kept']);
    });

    it('with a query runner that a constructor created, the transaction is its own', async () => {
      @Injectable()
      class Batch {
        readonly runner: QueryRunner;

        constructor(@InjectDataSource() source: DataSource) {
          this.runner = source.createQueryRunner();
        }
      }
      test = await startNoteApp(sqliteRoot(file), { transaction: true }, { providers: [Batch] });
      plain = dataSourceOf(test).getRepository(Note);
      const { runner } = test.app.get(Batch);
      for (const text of ['first', 'second']) {
        await runner.startTransaction();
        await runner.manager.save(Note, { text: 'rolled back' });
        const other = plain.insert({ text });
        expect(await isWaiting(other)).toBe(true);
        expect(await plain.countBy({ text: 'rolled back' })).toBe(0);
        await runner.rollbackTransaction();
        await runner.release();
        await other;
      }
      expect((await run(({ notes }) => notes.insert({ text: 'tick' }))).error).toBeUndefined();

      expect(file.committed()).toEqual(['first', 'second', 'tick']);
    });

    describe('with a query runner from before start-up, which TypeORM returned to several owners', () => {
      @Injectable()
      class Kept {
        readonly runner: QueryRunner;

        constructor(@InjectDataSource() source: DataSource) {
          this.runner = source.createQueryRunner();
        }
      }
      let kept: QueryRunner;
      let request: Promise<unknown>;
      let endRequest: () => void;

      /** Starts an application in which a request has written and waits, with its transaction open. */
      const startBesideRequest = async (subscribers: Function[] = []): Promise<void> => {
        test = await startNoteApp(sqliteRoot(file, { subscribers }), {}, { providers: [Kept] });
        dataSource = dataSourceOf(test);
        kept = test.app.get(Kept).runner;
        const [begun, end] = [gate(), gate()];
        endRequest = end.open;
        request = dataSource.transaction(async (manager) => {
          await manager.save(Note, { text: 'request' });
          begun.open();
          await end.opened;
        });
        await begun.opened;
      };
      const saveTwice = (text: string): Promise<unknown> =>
        kept.manager.transaction(async (own) => {
          await own.save(Note, { text: `${text}: header` });
          await turn();
          await own.save(Note, { text: `${text}: line` });
        });

      it('one that begins while another waits for its turn becomes a savepoint in it', async () => {
        await startBesideRequest();
        const saving = ['a', 'b'].map(saveTwice);
        await turn();
        endRequest();
        await Promise.all([request, ...saving]);

        expect(file.committed()).toEqual([
          'a: header',
          'a: line',
          'b: header',
          'b: line',
          'request',
        ]);
      });

      it('one that begins while another fails to begin is its own', async () => {
        let isFirst = true;
        @EventSubscriber()
        class Failing implements EntitySubscriberInterface {
          async beforeTransactionStart({ queryRunner }: TransactionStartEvent): Promise<void> {
            if (queryRunner !== kept || !isFirst) return;
            isFirst = false;
            await turn();
            throw new Error('not now');
          }
        }
        await startBesideRequest([Failing]);
        const [failed, saved] = ['a', 'b'].map(saveTwice);
        await expect(failed).rejects.toThrow('not now');
        endRequest();
        await Promise.all([request, saved]);

        expect(file.committed()).toEqual(['b: header', 'b: line', 'request']);
      });

      it('one that a subscriber awaits after the BEGIN of another, in other work, begins', async () => {
        const outside = new AsyncResource('Queue');
        let isFirst = true;
        @EventSubscriber()
        class Audit implements EntitySubscriberInterface {
          async afterTransactionStart({ queryRunner }: TransactionStartEvent): Promise<void> {
            if (queryRunner !== kept || !isFirst) return;
            isFirst = false;
            await outside.runInAsyncScope(() => saveTwice('audit'));
          }
        }
        await startBesideRequest([Audit]);
        const saved = saveTwice('a');
        endRequest();
        await Promise.all([request, saved]);

        expect(file.committed()).toContain('audit: line');
      });

      it('one inside the work that has the turn is refused at once, while another waits', async () => {
        await startBesideRequest();
        endRequest();
        await request;
        let waiting: Promise<unknown> | undefined;
        const outside = new AsyncResource('Request');
        const inner = (): Promise<unknown> =>
          dataSource.transaction(async (manager) => {
            await manager.save(Note, { text: 'outer' });
            waiting = outside.runInAsyncScope(() => saveTwice('a'));
            await turn();
            await expect(saveTwice('b')).rejects.toThrow(WAITS_FOR_ITSELF);
            await expect(kept.manager.save(Note, { text: 'c' })).rejects.toThrow(WAITS_FOR_ITSELF);
          });
        await inner();
        await waiting;

        expect(file.committed()).toEqual(['a: header', 'a: line', 'outer', 'request']);
      });
    });

    it('several that wait on one query runner are all refused when it is released', async () => {
      await start();
      const [begun, end] = [gate(), gate()];
      const request = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'request' });
        begun.open();
        await end.opened;
      });
      await begun.opened;
      const runner = dataSource.createQueryRunner();
      const waiting = [1, 2, 3].map(() => runner.startTransaction());
      const outcomes = Promise.allSettled(waiting);
      await turn();
      await runner.release();
      end.open();
      await request;

      expect(await outcomes).toEqual(
        waiting.map(() => ({
          status: 'rejected',
          reason: expect.objectContaining({
            message: expect.stringContaining('A query runner was released before its statement'),
          }),
        })),
      );
      await plain.save({ text: 'later' });
      expect(file.committed()).toEqual(['later', 'request']);
    });

    it('that ends and begins again in its callback keeps the writes of that callback', async () => {
      await start();
      await dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'first' });
        await manager.queryRunner!.commitTransaction();
        await manager.queryRunner!.startTransaction();
        await manager.save(Note, { text: 'second' });
        await plain.insert({ text: 'joined' });
      });

      expect(file.committed()).toEqual(['first', 'joined', 'second']);
    });

    it('with a query runner that is used again, the transaction includes nothing that an earlier one left behind', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      const begun = gate();
      let left: Promise<unknown> | undefined;
      await runner.manager.transaction(async (manager) => {
        await manager.save(Note, { text: 'first' });
        left = begun.opened.then(() => plain.insert({ text: 'left behind' }));
      });
      await runner.startTransaction();
      await runner.manager.save(Note, { text: 'rolled back' });
      begun.open();
      expect(await isWaiting(left!)).toBe(true);
      await runner.rollbackTransaction();
      await runner.release();
      await left;

      expect(file.committed()).toEqual(['first', 'left behind']);
    });

    it('with a query runner that is released too early is rolled back, and others can write', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.save(Note, { text: 'forgotten' });
      const other = plain.save({ text: 'kept' });
      await runner.release();
      await other;

      expect(file.committed()).toEqual(['kept']);
      expect(test.log.of('warn')).toContainEqual(
        expect.stringContaining('A query runner was released while its transaction was open'),
      );
      await dataSource.transaction(async (manager) => {
        const inner = dataSource.createQueryRunner();
        await manager.save(Note, { text: 'in the transaction' });
        await inner.release();
        await plain.save({ text: 'in it, too' });
      });
      expect(file.committed()).toEqual(['in it, too', 'in the transaction', 'kept']);
    });

    it('is not ended by a release too many inside of it', async () => {
      await start();
      await dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'before it' });
        await manager.queryRunner!.release();
        await manager.save(Note, { text: 'after it' });
      });

      expect(file.committed()).toEqual(['after it', 'before it']);
      expect(test.log.of('warn')).toEqual([]);
    });

    it('is not ended by a query runner that is released twice inside of it, nor by an inner transaction afterwards', async () => {
      await start();
      const helper = async (): Promise<void> => {
        const runner = dataSource.createQueryRunner();
        try {
          await runner.manager.count(Note);
          await runner.release();
        } finally {
          await runner.release();
        }
      };
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.save(Note, { text: 'one' });
      await runner.manager.transaction(async (manager) => {
        await helper();
        await manager.save(Note, { text: 'two' });
      });
      await runner.manager.save(Note, { text: 'three' });
      await runner.commitTransaction();
      await runner.release();
      await dataSource.transaction(async (manager) => {
        await helper();
        await manager.transaction((inner) => inner.save(Note, { text: 'four' }));
        await manager.save(Note, { text: 'five' });
      });

      expect(file.committed()).toEqual(['five', 'four', 'one', 'three', 'two']);
      expect(test.log.of('warn')).toEqual([]);
    });

    it.each<[string, (runner: QueryRunner) => Promise<void>]>([
      [
        'two inner transactions that overlap',
        async ({ manager }) => {
          const [first, second] = [gate(), gate()];
          const inner = (text: string, end: Promise<void>): Promise<void> =>
            manager.transaction(async (own) => {
              await own.insert(Note, { text });
              await end;
            });
          const both = [inner('a', first.opened), inner('b', second.opened)];
          await turn();
          first.open();
          await turn();
          second.open();
          await Promise.all(both);
        },
      ],
      [
        'the release of a query runner that was created inside of it',
        async ({ manager }) => {
          let inner!: QueryRunner;
          await manager.transaction(async () => {
            inner = dataSource.createQueryRunner();
            await inner.manager.insert(Note, { text: 'a' });
            await inner.manager.insert(Note, { text: 'b' });
          });
          await inner.release();
        },
      ],
    ])('is not ended by %s if its query runner was released before it began', async (_, work) => {
      await start();
      const runner = dataSource.createQueryRunner();
      await runner.release();
      await runner.startTransaction();
      await runner.manager.insert(Note, { text: 'one' });
      await work(runner);
      await runner.manager.insert(Note, { text: 'two' });
      await runner.commitTransaction();
      await plain.insert({ text: 'later' });

      expect(file.committed()).toEqual(['a', 'b', 'later', 'one', 'two']);
      expect(test.log.of('warn')).toEqual([]);
    });

    it.each(['dataSource.transaction()', 'a kept query runner'])(
      'is rolled back if a subscriber keeps TypeORM from sending the ROLLBACK: with %s',
      async (way) => {
        @EventSubscriber()
        class Auditing implements EntitySubscriberInterface {
          async beforeTransactionRollback(): Promise<void> {
            const runner = dataSource.createQueryRunner();
            await runner.startTransaction(); // TypeORM then rolls back only this one
            await runner.release();
          }
        }
        await start({ subscribers: [Auditing] });
        const manager =
          way === 'a kept query runner'
            ? dataSource.createQueryRunner().manager
            : dataSource.manager;
        await expect(
          manager.transaction(async (own) => {
            await own.insert(Note, { text: 'never' });
            throw new Error('no license');
          }),
        ).rejects.toThrow('no license');
        await manager.transaction((own) => own.insert(Note, { text: 'next' }));
        await plain.insert({ text: 'later' });

        expect(file.committed()).toEqual(['later', 'next']);
      },
    );

    it.each(['dataSource.transaction()', 'a kept query runner', 'a query runner of its own'])(
      'lets a subscriber write in a transaction before it is rolled back: with %s',
      async (way) => {
        let calls = 0;
        @EventSubscriber()
        class Auditing implements EntitySubscriberInterface {
          async beforeTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }) {
            calls += 1;
            if (calls > 2) throw new Error('called again');
            const audit = (manager: EntityManager) => manager.insert(Note, { text: 'audit' });
            if (way !== 'a query runner of its own')
              return void (await (way.startsWith('data')
                ? dataSource.transaction(audit)
                : queryRunner.manager.transaction(audit)));
            const own = dataSource.createQueryRunner();
            await own.startTransaction();
            await audit(own.manager);
            await own.commitTransaction();
            await own.release();
          }
        }
        await start({ subscribers: [Auditing] });
        const kept = dataSource.createQueryRunner();
        const manager = way === 'a kept query runner' ? kept.manager : dataSource.manager;
        await expect(
          manager.transaction(async (own) => {
            await own.insert(Note, { text: 'never' });
            throw new Error('no license');
          }),
        ).rejects.toThrow('no license');
        await plain.insert({ text: 'later' });

        expect(calls).toBe(1);
        expect(file.committed()).toEqual(['later']);
        expect(test.log.of('warn')).toEqual([]);
      },
    );

    it('has savepoints of a subscriber in an inner transaction', async () => {
      @EventSubscriber()
      class Auditing implements EntitySubscriberInterface {
        async afterTransactionStart({ queryRunner }: TransactionStartEvent): Promise<void> {
          if ((queryRunner as unknown as { transactionDepth: number }).transactionDepth < 2) return;
          await queryRunner.query('SAVEPOINT audit');
          await queryRunner.query(`INSERT INTO notes (text) VALUES ('audit')`);
          await queryRunner.query('RELEASE audit');
        }
      }
      await start({ subscribers: [Auditing] });
      await dataSource.transaction(async (manager) => {
        await manager.insert(Note, { text: 'outer' });
        await manager.transaction((inner) => inner.insert(Note, { text: 'inner' }));
      });

      expect(file.committed()).toEqual(['audit', 'inner', 'outer']);
    });

    it('is not ended by an inner transaction if its query runner was released before it began', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      await runner.release();
      await runner.startTransaction();
      await runner.manager.save(Note, { text: 'outer' });
      await runner.manager.transaction((manager) => manager.save(Note, { text: 'inner' }));
      await runner.commitTransaction();

      expect(file.committed()).toEqual(['inner', 'outer']);
      expect(test.log.of('warn')).toEqual([]);
    });

    describe.each(['without a subscriber', 'with a subscriber that waits'])('%s', (kind) => {
      @EventSubscriber()
      class Waiting implements EntitySubscriberInterface {
        async beforeTransactionStart(): Promise<void> {
          if (kind.startsWith('with a')) await turn();
        }
      }

      it.each(WAYS)(
        'frees the turn if %s begins, without await, while it is ending',
        async (way) => {
          await start({ subscribers: [Waiting] });
          const outcomes = new Set<unknown>();
          // The number of microtasks decides at which step of the COMMIT the inner transaction begins.
          for (let steps = 0; steps < 70; steps += 1) {
            const go = turn();
            let inner!: Promise<unknown>;
            await dataSource.transaction(async (manager) => {
              await manager.insert(Note, { text: `outer ${steps}` });
              inner = go.then(async () => {
                for (let step = 0; step < steps; step += 1) await Promise.resolve();
                await begin(way, manager, (own) => own.insert(Note, { text: `inner ${steps}` }));
              });
              inner = inner.then(
                () => 'committed',
                (error: Error) => error.message.replace(/ on \S+,.*/, ''),
              );
              await go;
            });
            outcomes.add(await inner);
            await plain.insert({ text: `later ${steps}` });
            const committed = new Set(file.committed());
            expect(committed).toContain(`outer ${steps}`);
            expect(committed).toContain(`later ${steps}`);
            expect(committed.has(`inner ${steps}`)).toBe((await inner) === 'committed');
          }
          outcomes.delete('committed');
          outcomes.delete('The library refused to begin a transaction');
          expect([...outcomes]).toEqual([]);
          expect(test.log.of('warn')).toEqual([]);
        },
      );
    });

    it.each<[string, (runner: QueryRunner) => Promise<unknown>]>([
      ['save()', (runner) => runner.manager.save(Note, { text: 'written' })],
      [
        'startTransaction()',
        async (runner) => {
          await runner.startTransaction();
          await runner.manager.save(Note, { text: 'written' });
          await runner.commitTransaction();
        },
      ],
    ])(
      'with a query runner that was released before %s goes on after the query of a subscriber',
      async (_, write) => {
        @EventSubscriber()
        class Counting implements EntitySubscriberInterface<Note> {
          readonly counts: number[] = [];

          listenTo(): typeof Note {
            return Note;
          }

          async afterInsert(): Promise<void> {
            this.counts.push(await plain.count());
          }
        }
        await start({ subscribers: [Counting] });
        const runner = dataSource.createQueryRunner();
        await runner.release();
        await write(runner);

        const [subscriber] = dataSource.subscribers as Counting[];
        expect(subscriber!.counts).toEqual([1]);
        expect(file.committed()).toEqual(['written']);
        expect(test.log.of('warn')).toEqual([]);
      },
    );

    it('with a query runner that is released in an inner transaction is rolled back after it, and others can write', async () => {
      await start();
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.transaction(async (manager) => {
        await manager.save(Note, { text: 'forgotten' });
        await runner.release();
      });
      await plain.save({ text: 'kept' });

      expect(file.committed()).toEqual(['kept']);
      expect(test.log.of('warn')).toContainEqual(
        expect.stringContaining('A query runner was released while its transaction was open'),
      );
    });

    it.each([
      ['BEGIN', []],
      ['BEGIN', [`INSERT INTO notes (text) VALUES ('forgotten')`]],
      ['SAVEPOINT mine', [`INSERT INTO notes (text) VALUES ('forgotten')`]],
    ])(
      'with a query runner that is released too early is rolled back when %s began it, with %j in it',
      async (begin, statements) => {
        await start();
        const runner = dataSource.createQueryRunner();
        await runner.query(begin);
        for (const statement of statements) await runner.query(statement);
        const other = plain.save({ text: 'waited' });
        await runner.release();
        await other;
        await plain.insert({ text: 'plain' });
        expect((await run(({ notes }) => notes.save({ text: 'tick' }))).error).toBeUndefined();

        expect(file.committed()).toEqual(['plain', 'tick', 'waited']);
        expect(test.log.of('warn')).toContainEqual(
          expect.stringContaining('A query runner was released while its transaction was open'),
        );
      },
    );

    it.each(Array.from({ length: 12 }, (_, steps) => [steps]))(
      'no query runner that is released %d steps after its only statement rolls back anything',
      async (steps) => {
        await start();
        const runner = dataSource.createQueryRunner();
        const [written] = await Promise.allSettled([
          runner.query(`INSERT INTO notes (text) VALUES ('written')`),
          (async () => {
            for (let step = 0; step < steps; step += 1) await Promise.resolve();
            await runner.release();
          })(),
        ]);
        await plain.save({ text: 'plain' });

        const isWritten = written.status === 'fulfilled';
        expect(file.committed()).toEqual(isWritten ? ['plain', 'written'] : ['plain']);
        expect(test.log.of('warn')).toEqual([]);
      },
    );

    it('with a query runner that is released while it waits sends nothing any more, and others can write', async () => {
      await start();
      const holder = dataSource.createQueryRunner();
      await holder.startTransaction();
      const runner = dataSource.createQueryRunner();
      const work = Promise.allSettled([
        runner.startTransaction(),
        runner.query(`INSERT INTO notes (text) VALUES ('never')`),
        runner.query('SELECT 1 AS one'),
      ]);
      expect(await isWaiting(work)).toBe(true);
      await runner.release();
      const refused = {
        status: 'rejected',
        reason: expect.objectContaining({
          message: `A query runner was released before its statement could write to ${file.path}, so the statement was not sent. Await the statement before you call release().`,
        }),
      };
      expect(await work).toEqual([refused, refused, { status: 'fulfilled', value: [{ one: 1 }] }]);
      await holder.commitTransaction();
      await holder.release();

      await plain.save({ text: 'plain' });
      expect(file.committed()).toEqual(['plain']);
    });

    it('a transaction that was begun with a statement includes what follows, until it is ended', async () => {
      await start();
      await dataSource.query('BEGIN');
      await dataSource.query(`INSERT INTO notes (text) VALUES ('a')`);
      const report = run(({ notes }) => notes.save({ text: 'of a tick' }));
      expect(await isWaiting(report)).toBe(true);
      expect(await plain.count()).toBe(1);
      await dataSource.query('ROLLBACK');

      expect((await report).error).toBeUndefined();
      await plain.save({ text: 'plain' });
      expect(file.committed()).toEqual(['of a tick', 'plain']);
    });

    it('a save() that waits for the end of such a transaction has its own, and others can write', async () => {
      await start();
      await dataSource.query('BEGIN');
      const ended = dataSource.query('COMMIT');
      const saved = plain.save({ text: 'a' });
      await Promise.all([ended, saved]);
      await plain.save({ text: 'b' });

      expect(file.committed()).toEqual(['a', 'b']);
    });

    it('a change of the schema takes the one connection that the application has', async () => {
      await start();
      await plain.save({ text: 'kept' });
      await dataSource.query('PRAGMA foreign_keys = OFF');
      expect(await dataSource.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 0 }]);
      await dataSource.transaction(async (manager) => {
        expect(await manager.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 0 }]);
        await manager.query('ALTER TABLE notes ADD COLUMN more text');
      });
      await dataSource.query('PRAGMA foreign_keys = ON');
      await dataSource.synchronize();

      expect(file.committed()).toEqual(['kept']);
      const columns = file.query<{ name: string }>('PRAGMA table_info(notes)');
      expect(columns.map(({ name }) => name)).toEqual(['id', 'text']);
    });
  });

  describe('when one would wait for itself', () => {
    it('is refused at once: a repository of the application inside of a tick that has written', async () => {
      await start();
      const report = await run(async ({ notes }) => {
        await plain.save({ text: 'before' });
        await notes.save({ text: 'of the tick' });
        expect(await plain.count()).toBe(1);
        await plain.save({ text: 'never' });
      });

      expect(report).toMatchObject({ outcome: 'failed', phase: 'handler', disposeErrors: [] });
      expect((report.error as Error).message).toContain(
        `A write to ${file.path} ${WAITS_FOR_ITSELF}`,
      );
      expect(file.committed()).toEqual(['before']);
    });

    it('is refused also when it had to wait before', async () => {
      await start();
      const read = ({ notes }: NoteScope) => notes.count();
      await Promise.all([run(read), run(read)]); // opens two connections
      const { end } = await writingTick();
      const report = run(async ({ notes }) => {
        const own = notes.save({ text: 'of the tick' });
        await turn();
        await Promise.all([own, plain.save({ text: 'never' })]);
      });
      expect(await isWaiting(report)).toBe(true);
      end.open();

      expect((await report).error).toMatchObject({
        message: expect.stringContaining(WAITS_FOR_ITSELF),
      });
      expect(file.committed()).toEqual(['of a tick']);
    });

    describe('without a transaction for the scope', () => {
      beforeEach(() => start({}, false));

      it('is refused inside of the callback of a transaction', async () => {
        const report = await run(async ({ notes, manager }) => {
          await notes.count();
          await manager.transaction(async (own) => {
            await own.save(Note, { text: 'rolled back' });
            await plain.save({ text: 'never' });
          });
        });

        expect((report.error as Error).message).toContain(WAITS_FOR_ITSELF);
        expect(file.committed()).toEqual([]);
      });

      it('waits for its turn if an earlier transaction of the tick has left it behind', async () => {
        const begun = gate();
        let left: Promise<unknown> | undefined;
        const report = await run(async ({ manager }) => {
          await manager.transaction(async (own) => {
            await own.save(Note, { text: 'a' });
            left = begun.opened.then(() => plain.save({ text: 'c' }));
          });
          await manager.transaction(async (own) => {
            await own.save(Note, { text: 'b' });
            begun.open();
            expect(await isWaiting(left!)).toBe(true);
          });
          await left;
        });

        expect(report.error).toBeUndefined();
        expect(file.committed()).toEqual(['a', 'b', 'c']);
      });

      it('is refused inside of the callback also when a transaction of another data source is around it', async () => {
        await startWithArchive(false);
        const archived = getScopedEntityManagerToken('archive');
        const report = await run(({ manager }) =>
          manager.transaction(async (own) => {
            await own.save(Note, { text: 'a' });
            await test.scopes.run(async (scope) => {
              const other = await scope.resolve<EntityManager>(archived);
              await other.transaction(() => plain.save({ text: 'never' }));
            });
          }),
        );

        expect(String(report.error)).toContain(WAITS_FOR_ITSELF);
        expect(file.committed()).toEqual([]);
      });

      it('is refused in a subscriber that does not write through the connection of the scope', async () => {
        @EventSubscriber()
        class Audit implements EntitySubscriberInterface<Note> {
          listenTo = () => Note;

          async afterInsert({ entity: { text } }: InsertEvent<Note>): Promise<void> {
            if (text === 'saved') await plain.save({ text: 'audited' });
          }
        }
        dataSource.subscribers.push(new Audit());
        const report = await run(({ notes }) => notes.save({ text: 'saved' }));

        expect((report.error as Error).message).toContain(WAITS_FOR_ITSELF);
        expect(file.committed()).toEqual([]);
        await plain.save({ text: 'saved' });
        expect(file.committed()).toEqual(['audited', 'saved']);
      });

      it('waits for its turn in a subscriber of a read of the scope', async () => {
        const audits: Promise<unknown>[] = [];
        class Audit implements EntitySubscriberInterface<Note> {
          async afterQuery({ query, manager }: AfterQueryEvent): Promise<void> {
            if (!query.startsWith('SELECT COUNT')) return;
            audits.push(manager.save(Note, { text: 'audited' }));
            await audits[0];
          }
        }
        await start({ timeout: 0 }, false);
        dataSource.subscribers.push(new Audit());
        const end = gate();
        const held = dataSource.transaction(async (manager) => {
          await manager.save(Note, { text: 'a' });
          await end.opened;
        });
        const report = run(async ({ notes }) => {
          await notes.count();
          await notes.save({ text: 'b' });
          await Promise.all(audits); // TypeORM 0.3 doesn't
        });
        expect(await isWaiting(report)).toBe(true);
        end.open();
        await held;

        expect((await report).error).toBeUndefined();
        expect(file.committed()).toEqual(['a', 'audited', 'b']);
      });

      it('is refused in a listener of an entity, which does not write through the connection of the scope', async () => {
        await startWithOrders(false);
        const report = await run(({ manager }) => manager.save(Order.create({ text: 'a' })));

        expect((report.error as Error).message).toContain(WAITS_FOR_ITSELF);
        expect(file.committed()).toEqual([]);
      });

      it('is not refused beside a save() of the scope, which ends by itself: it waits', async () => {
        const report = await run(async ({ notes }) => {
          await notes.count();
          await Promise.all([notes.save({ text: 'a' }), plain.save({ text: 'b' })]);
          await Promise.all([plain.save({ text: 'c' }), notes.save({ text: 'd' })]);
          await Promise.all(['e', 'f', 'g'].map((text) => plain.save({ text })));
        });

        expect(report.error).toBeUndefined();
        expect(file.committed()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
      });
    });

    it('is refused in a scope inside of a transaction of the application', async () => {
      await start();
      const failed = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'a' });
        const { error } = await run(({ notes }) => notes.save({ text: 'b' }));
        throw error as Error;
      });

      await expect(failed).rejects.toThrow(WAITS_FOR_ITSELF);
      expect(file.committed()).toEqual([]);
    });
  });

  it('in standalone scopes beside each other wait for each other, also inside of a tick', async () => {
    await start();
    const token = getScopedRepositoryToken(Note);
    const open = gate();
    let waiting = 0;
    const write = async (text: string): Promise<void> => {
      const scope = await test.scopes.open();
      const notes = await scope.resolve<Repository<Note>>(token);
      if ((waiting += 1) === 5) open.open();
      await open.opened;
      await notes.save({ text });
      await turn();
      await scope.complete();
    };
    const report = await run(() => Promise.all(['a', 'b', 'c', 'd', 'e'].map(write)));

    expect(report.error).toBeUndefined();
    expect(file.committed()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('those of two data sources with one file wait for each other', async () => {
    const second = dataSourceOf(
      await startNoteApp(sqliteRoot(file), { transaction: true }),
    ).getRepository(Note);
    await start();
    const { report, end } = await writingTick();
    const writing = second.save({ text: 'of another' });
    expect(await isWaiting(writing)).toBe(true);
    end.open();
    await Promise.all([report, writing]);

    expect(file.committed()).toEqual(['of a tick', 'of another']);
  });

  it('of another process are waited for by SQLite, for as long as the application says', async () => {
    await start({ timeout: 10 });
    const other = new Database(file.path);
    other.exec('BEGIN IMMEDIATE');
    const refused = await run(({ notes }) => notes.save({ text: 'refused' }));
    other.exec('COMMIT');
    other.close();
    const accepted = await run(({ notes }) => notes.save({ text: 'accepted' }));

    expect(String(refused.error)).toContain('database is locked');
    expect(accepted.error).toBeUndefined();
    expect(file.committed()).toEqual(['accepted']);
  });

  it('are refused when the data source is destroyed while they wait, and nothing is written', async () => {
    await start();
    const { report, end } = await writingTick();
    const refused = plain.save({ text: 'never' });
    refused.catch(() => undefined);
    await turn();
    await dataSource.destroy();
    await expect(refused).rejects.toThrow(
      'was waiting for its turn when the data source was destroyed, so it was not sent.',
    );
    end.open();
    expect(await report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    expect(file.committed()).toEqual([]);

    await dataSource.initialize();
    const again = await run(({ notes }) => notes.save({ text: 'again' }));
    expect(again.error).toBeUndefined();
    expect(file.committed()).toEqual(['again']);
  });
});
