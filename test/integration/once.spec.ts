import {
  Inject,
  Injectable,
  Scope,
  type DynamicModule,
  type Provider,
  type Type,
} from '@nestjs/common';
import type pg from 'pg';
import {
  DefaultNamingStrategy,
  type DataSource,
  type EntityManager,
  type Repository,
} from 'typeorm';
import {
  InvalidScheduleError,
  ScopedConsumer,
  ScopedWorker,
  type HandlerOptions,
  type Tick,
} from '../../lib/index.js';
import { OnceStores } from '../../lib/tick/once.js';
import {
  CreateScopedWorkerOnce1764374400000,
  getScopedEntityManagerToken,
  getScopedRepositoryToken,
  InjectScopedEntityManager,
  InjectScopedRepository,
  OnceRecordEntity,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps } from '../support/app.js';
import { MARIADB, testMariaDb } from '../support/mariadb.js';
import { HandSource, SOURCE } from '../support/consumers.js';
import { gate, type Gate } from '../support/gate.js';
import { SLOT, startReplica, type NoteHandler } from '../support/once-app.js';
import { testDatabase } from '../support/postgres.js';
import { dataSourceOf, Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

const NEVER = new AbortController().signal;
const LATER = new Date('2026-03-01T12:05:00Z');

@Injectable({ scope: Scope.REQUEST })
class Notes {
  constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
}

interface OnceRow {
  readonly id: string;
  readonly schedule: string;
  readonly work: string;
}

interface Store {
  root(): DynamicModule;
  query<Row extends object>(sql: string): Promise<Row[]>;
}

describe('Work with the option once', () => {
  const database = testDatabase();
  let file: TestFile;
  beforeEach(async () => {
    await database.query('DROP TABLE IF EXISTS notes, scoped_worker_once');
    file = createTestFile();
  });
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  const stores: Record<'PostgreSQL' | 'SQLite', Store> = {
    PostgreSQL: {
      root: (): DynamicModule => typeOrmRoot(database, { entities: [OnceRecordEntity] }),
      query: <Row extends object>(sql: string): Promise<Row[]> =>
        database.query<Row & pg.QueryResultRow>(sql),
    },
    SQLite: {
      root: (): DynamicModule => sqliteRoot(file, { entities: [OnceRecordEntity] }),
      query: <Row extends object>(sql: string): Promise<Row[]> =>
        Promise.resolve(file.query<Row>(sql)),
    },
  };

  const counts = ({ root, query }: Store): void => {
    const notes = async (): Promise<string[]> =>
      (await query<{ text: string }>('SELECT text FROM notes ORDER BY text')).map(
        ({ text }) => text,
      );
    const records = (): Promise<OnceRow[]> =>
      query<OnceRow>('SELECT id, schedule, work FROM scoped_worker_once ORDER BY done_at, work');
    /** Two replicas on one database; both know the schedule. */
    const two = async (handler?: NoteHandler) =>
      [await startReplica(root(), handler), await startReplica(root(), handler)] as const;

    it('[H22] counts once for a slot that two replicas run one after the other', async () => {
      const [first, second] = await two();
      await first.fire();
      await second.fire();

      expect([first.handled, second.handled]).toEqual([[SLOT.toISOString()], []]);
      expect(await notes()).toEqual([SLOT.toISOString()]);
      expect(await records()).toMatchObject([{ schedule: 'work', work: SLOT.toISOString() }]);
      expect(second.skipped).toMatchObject([
        { outcome: 'skipped', reason: 'already-done', attempts: 1, scheduledAt: SLOT },
      ]);
      expect(second.skipped[0]).not.toHaveProperty('error');
      expect([second.started, second.finished]).toEqual([[], []]);
      expect(second.log.of('warn')).toEqual([expect.stringContaining('is never due')]);
      expect(second.registry.stats()).toMatchObject({ openedScopes: 1, closedScopes: 1 });
    });

    it('[H22] counts once for a slot that two replicas run at the same time', async () => {
      const begun = gate();
      const end = gate();
      const [first, second] = await two(async () => {
        begun.open();
        await end.opened;
      });
      const ran = first.fire();
      await begun.opened;
      const waits = second.next('scope:opened');
      const ranToo = second.fire();
      await waits;
      end.open();
      await Promise.all([ran, ranToo]);

      expect([first.handled, second.handled]).toEqual([[SLOT.toISOString()], []]);
      expect(second.skipped).toMatchObject([{ reason: 'already-done' }]);
      expect(await notes()).toHaveLength(1);
    });

    it('[H22] is done by the replica that waits, if the one that works fails', async () => {
      const begun = gate();
      const end: Gate = gate();
      let isFirst = true;
      const [first, second] = await two(async () => {
        if (!isFirst) return;
        isFirst = false;
        begun.open();
        await end.opened;
      });
      const ran = first.fire();
      await begun.opened;
      const waits = second.next('scope:opened');
      const ranToo = second.fire();
      await waits;
      end.fail(new Error('too bad'));
      await Promise.all([ran, ranToo]);

      expect(first.finished).toMatchObject([{ outcome: 'failed' }]);
      expect(second.finished).toMatchObject([{ outcome: 'succeeded' }]);
      expect(await notes()).toHaveLength(1);
    });

    it('[H22] counts for each slot, and for each run by hand', async () => {
      const [first, second] = await two();
      await first.fire();
      await second.fire(LATER);
      const at = await Promise.all([first.registry.run('work'), second.registry.run('work')]);

      expect(at.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
      expect(await notes()).toHaveLength(4);
      expect(await records()).toHaveLength(4);
    });

    it('[H22] leaves nothing behind when it fails, so that it can be retried', async () => {
      let attempts = 0;
      const fail: NoteHandler = (_, { attempt }) => {
        attempts = attempt;
        if (attempt === 1) throw new Error('once more');
      };
      const app = await startReplica(root(), fail, { work: { retry: { attempts: 2 } } });
      await app.fire();

      expect(attempts).toBe(2);
      expect(app.finished).toMatchObject([{ outcome: 'succeeded', attempts: 2 }]);
      expect(app.started).toHaveLength(1);
      expect(await notes()).toHaveLength(1);
    });

    it('[H22] is recorded before any other statement of the tick', async () => {
      const seen: string[] = [];

      @Injectable({ scope: Scope.REQUEST })
      class Early {
        constructor(@InjectScopedRepository(Note) private readonly notes: Repository<Note>) {}

        async onScopeInit(): Promise<void> {
          const sql = 'SELECT work FROM scoped_worker_once';
          seen.push(...(await this.notes.query<OnceRow[]>(sql)).map(({ work }) => work));
        }
      }

      @ScopedWorker()
      class Late {
        constructor(
          readonly early: Early,
          @Inject(SOURCE) readonly source: unknown,
        ) {}

        @ScopedConsumer(SOURCE, { once: true })
        handle(): void {}
      }
      const source = new HandSource();
      const given: Provider = { provide: SOURCE, useValue: source };
      Reflect.defineMetadata('design:paramtypes', [Early, Object], Late);
      await startReplica(root(), undefined, { providers: [Early, Late, given] });
      source.give();
      await source.settled(1);

      expect(seen).toEqual(['message 1']);
    });

    it('[H22] is done for each item of a list, whichever run did it', async () => {
      const work: HandlerOptions = {
        forEach: { useFactory: () => ['a', 'b'] },
        once: { itemKey: (item: string) => item },
      };
      let isBroken = true;
      const handler: NoteHandler = (_, { payload }) => {
        if (isBroken && payload === 'b') throw new Error('b is broken');
      };
      const app = await startReplica(root(), handler, { work });
      await app.fire();
      isBroken = false;
      await app.fire();

      const time = SLOT.toISOString();
      expect(app.handled).toEqual([`${time} a`, `${time} b`, `${time} b`]);
      expect(app.skipped).toMatchObject([{ reason: 'already-done' }]);
      expect(await notes()).toEqual([`${time} a`, `${time} b`]);
    });

    it('[H23] counts once for a message that is delivered again', async () => {
      const source = new HandSource();
      const given: Provider = { provide: SOURCE, useValue: source };
      const app = await startReplica(root(), undefined, { isConsumer: true, providers: [given] });
      const acks: string[] = [];
      const ack = (): void => void acks.push('order-7');
      const isDone = app.next('tick:finished');
      source.give('order', { id: 'order-7', ack });
      await isDone;
      const isSkipped = app.next('tick:skipped');
      source.give('order', { id: 'order-7', ack });
      await isSkipped;

      expect(acks).toEqual(['order-7', 'order-7']);
      expect(app.handled).toEqual(['order']);
      expect(await notes()).toEqual(['order']);
      expect(app.skipped).toMatchObject([{ reason: 'already-done', messageId: 'order-7' }]);
    });

    it('[H23] is repeated for a message whose first delivery failed', async () => {
      const source = new HandSource();
      const given: Provider = { provide: SOURCE, useValue: source };
      let isBroken = true;
      const handler: NoteHandler = () => {
        if (isBroken) throw new Error('not yet');
      };
      const more = { isConsumer: true, providers: [given] };
      await startReplica(root(), handler, more);
      source.give('order');
      await source.settled(1);
      isBroken = false;
      source.give('order', { id: '1' });
      await source.settled(2);

      expect(source.fates[0]).toBe('nack 1: not yet');
      expect(await notes()).toEqual(['order']);
    });

    it('is forgotten after a while', async () => {
      const app = await startReplica(root());
      await app.fire();
      const store = app.app.get(OnceStores).use('default')!;
      await store.deleteBefore(new Date(Date.now() - 60_000), NEVER);
      expect(await records()).toHaveLength(1);
      await store.deleteBefore(new Date(Date.now() + 60_000), NEVER);
      expect(await records()).toEqual([]);
    });
  };

  describe.each(Object.entries(stores))('on %s', (_, store) => {
    counts(store);
  });

  // MariaDB isn't an npm package: .ci/run installs it.
  (MARIADB === undefined ? describe.skip : describe)('on MariaDB', () => {
    const mariaDb = testMariaDb();
    beforeEach(() => mariaDb.query('DROP TABLE IF EXISTS notes, scoped_worker_once'));
    afterEach(closeApps);
    counts({
      root: () => mariaDb.root({ entities: [OnceRecordEntity] }),
      query: (sql) => mariaDb.query(sql),
    });

    it('cleans up beside a tick that holds its record, and blocks no other', async () => {
      const [begun, end] = [gate(), gate()];
      const handler: NoteHandler = async (_, { scheduledAt }) => {
        if (scheduledAt.getTime() !== SLOT.getTime()) return;
        begun.open();
        await end.opened;
      };
      const app = await startReplica(mariaDb.root({ entities: [OnceRecordEntity] }), handler);
      const rows = Array.from({ length: 600 }, (_, row) => `('old-${row}', 'old', 'old', ${row})`);
      await mariaDb.query(`INSERT INTO scoped_worker_once VALUES ${rows.join(', ')}`);
      const ran = app.fire();
      await begun.opened;
      await app.app.get(OnceStores).use('default')!.deleteBefore(new Date(10_000), NEVER);
      await app.fire(LATER);
      end.open();
      await ran;

      expect(app.finished.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
      expect(await mariaDb.query('SELECT id FROM scoped_worker_once')).toHaveLength(2);
    });

    it('leaves the session as it was when several runs wait, and the first fails', async () => {
      const [begun, end] = [gate(), gate()];
      const ask = 'SELECT @@innodb_lock_wait_timeout AS seconds';
      const seen: unknown[] = [];
      let isFirst = true;
      const handler: NoteHandler = async (notes) => {
        seen.push(await notes.query(ask));
        if (!isFirst) return;
        isFirst = false;
        begun.open();
        await end.opened;
      };
      const app = await startReplica(mariaDb.root({ entities: [OnceRecordEntity] }), handler);
      const ran = app.fire();
      await begun.opened;
      const others = [app.fire(), app.fire(), app.fire()];
      const waiting =
        "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT IGNORE%'";
      while ((await mariaDb.query(waiting)).length < 3);
      end.fail(new Error('too bad'));
      await Promise.all([ran, ...others]);

      const outcomes = app.finished.map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome === 'succeeded')).toHaveLength(1);
      const waited = app.finished.filter(({ phase }) => phase === 'resolve');
      for (const { error } of waited) expect(String(error)).toContain('Another run is probably');
      for (let slot = 1; slot < 6; slot += 1) await app.fire(new Date(LATER.getTime() + slot));
      expect(new Set(seen.map((rows) => JSON.stringify(rows)))).toEqual(
        new Set(['[{"seconds":"50"}]']),
      );
      expect(await mariaDb.query('SELECT text FROM notes')).toHaveLength(6);
    });

    it('keeps the lock wait timeout of the session for the statements of the handler', async () => {
      const ask = 'SELECT @@innodb_lock_wait_timeout AS seconds';
      const seen: unknown[] = [];
      const app = await startReplica(
        mariaDb.root({ entities: [OnceRecordEntity] }),
        async (notes) => void seen.push(await notes.query(ask)),
      );
      await app.fire();

      expect(seen).toEqual([[{ seconds: '50' }]]);
    });

    it('can have its table from the migration', async () => {
      const app = await startReplica(mariaDb.root(MIGRATED as never));
      await app.fire();
      await app.fire();

      expect(app.handled).toHaveLength(1);
    });
  });

  it('[H22] counts once if the answer to the COMMIT is lost', async () => {
    const app = await startReplica(
      stores.PostgreSQL.root(),
      ({ manager }, { attempt }) => attempt === 1 && loseAnswer(manager.queryRunner!.connect()),
      { work: { retry: { attempts: 3 } } },
    );
    await app.fire();

    expect(app.finished).toMatchObject([
      {
        outcome: 'succeeded',
        attempts: 2,
        history: [
          { outcome: 'failed', phase: 'commit' },
          { outcome: 'skipped', reason: 'already-done' },
        ],
      },
    ]);
    expect(app.handled).toHaveLength(1);
    expect(await database.query('SELECT * FROM notes')).toHaveLength(1);
  });

  it('[H22] fails, and can be retried, if another run takes longer than lockTimeoutMs', async () => {
    const begun = gate();
    const end = gate();
    const first = await startReplica(stores.PostgreSQL.root(), async () => {
      begun.open();
      await end.opened;
    });
    const second = await startReplica(stores.PostgreSQL.root(), undefined, {
      work: { once: { lockTimeoutMs: 50 } },
    });
    const ran = first.fire();
    await begun.opened;
    await second.fire();
    end.open();
    await ran;

    expect(second.finished).toMatchObject([{ outcome: 'failed', phase: 'resolve' }]);
    expect(String(second.finished[0]!.error)).toBe(
      `Error: work: this run waited too long to record its work (${SLOT.toISOString()}), and failed before its handler was called. Another run is probably doing this work. If that run commits, the work is done; otherwise, a retry or a redelivery repeats it. To wait longer, set once: { lockTimeoutMs }.`,
    );
    expect(second.handled).toEqual([]);
  });

  it('[H22] keeps the lock_timeout of the session for the statements of the handler', async () => {
    const seen: unknown[] = [];
    const root = typeOrmRoot(database, {
      entities: [OnceRecordEntity],
      extra: { options: '-c lock_timeout=4321ms' },
    });
    const app = await startReplica(root, async (notes) => {
      seen.push(await notes.query('SHOW lock_timeout'));
    });
    await app.fire();

    expect(seen).toEqual([[{ lock_timeout: '4321ms' }]]);
  });

  it('[H22] counts once at REPEATABLE READ', async () => {
    const begun = gate();
    const end = gate();
    const handler: NoteHandler = async () => {
      begun.open();
      await end.opened;
    };
    await database.query(
      `ALTER DATABASE ${database.name} SET default_transaction_isolation = 'repeatable read'`,
    );
    const first = await startReplica(stores.PostgreSQL.root(), handler);
    const second = await startReplica(stores.PostgreSQL.root(), handler);
    const ran = first.fire();
    await begun.opened;
    const ranToo = second.fire();
    while ((await database.query(WAITING)).length === 0);
    end.open();
    await Promise.all([ran, ranToo]);
    await database.query(`ALTER DATABASE ${database.name} RESET default_transaction_isolation`);

    expect(second.skipped).toMatchObject([{ reason: 'already-done' }]);
    expect(await database.query('SELECT * FROM notes')).toHaveLength(1);
  });

  it("[H22] isn't a failure for the hooks around it", async () => {
    const seen: unknown[] = [];
    const around = [
      async (_: unknown, next: () => Promise<unknown>): Promise<void> => {
        seen.push(await next());
      },
    ];
    const app = await startReplica(stores.PostgreSQL.root(), undefined, { options: { around } });
    await app.fire();
    await app.fire();

    expect(seen).toEqual([undefined, undefined]);
    expect(app.skipped).toMatchObject([{ reason: 'already-done' }]);
  });

  it('[H22] stops nothing with onFailure, if it was done before', async () => {
    const app = await startReplica(stores.PostgreSQL.root(), undefined, {
      work: { onFailure: 'pause', retry: { attempts: 3 } },
    });
    await app.fire();
    await app.fire();

    expect(app.registry.get('work')).toMatchObject({ state: 'active' });
    expect(app.skipped).toMatchObject([{ attempts: 1 }]);
  });

  it.each<[string, object]>([
    ['a prefix', { entityPrefix: 'App_' }],
    ['a schema', { schema: 'Billing' }],
    ['a naming strategy', { namingStrategy: camelNames() }],
  ])('[H22] finds the table of a data source with %s', async (_, options) => {
    await database.query('DROP SCHEMA IF EXISTS "Billing" CASCADE');
    await database.query('CREATE SCHEMA "Billing"');
    await database.query('DROP TABLE IF EXISTS "App_notes", "App_scoped_worker_once"');
    const app = await startReplica(
      typeOrmRoot(database, { entities: [OnceRecordEntity], ...options }),
    );
    await app.fire();
    await app.fire();
    await app.app
      .get(OnceStores)
      .use('default')!
      .deleteBefore(new Date(Date.now() + 60_000), NEVER);

    expect(app.handled).toHaveLength(1);
    expect(app.skipped).toHaveLength(1);
  });

  it('[H22] is recorded in the data source of the worker, even if a hook has resolved another before', async () => {
    const audit = sqliteRoot(file, { name: 'audit' });
    const token = getScopedEntityManagerToken('audit');
    const around = [
      async (tick: Tick, next: () => Promise<unknown>) => {
        await tick.scope.resolve<EntityManager>(token);
        return next();
      },
    ];
    const app = await startReplica(stores.PostgreSQL.root(), undefined, {
      options: { around },
      imports: [
        audit,
        ScopedTypeOrmModule.forFeature([], { dataSource: 'audit', transaction: true }),
      ],
    });
    await app.fire();

    expect(app.finished).toMatchObject([{ outcome: 'succeeded' }]);
    expect(await database.query('SELECT id FROM scoped_worker_once')).toHaveLength(1);
  });

  it.each([
    ['its repository', Notes],
    ['itself', undefined],
  ])('needs no transaction if a test replaces a class of the worker: %s', async (_, replaced) => {
    @ScopedWorker()
    class Indirect {
      constructor(readonly notes: Notes) {}

      @ScopedConsumer(SOURCE, { once: true })
      handle(): void {}
    }
    const app = await startReplica(stores.PostgreSQL.root(), undefined, {
      options: { allowFindings: [{ finding: 'SW102', token: Indirect, reason: 'a double' }] },
      providers: [Indirect, Notes, { provide: SOURCE, useValue: new HandSource() }],
      build: (builder) => builder.overrideProvider(replaced ?? Indirect).useValue({}),
    });
    expect(app.registry.has('Indirect.handle')).toBe(true);
  });

  it('[H22] is not done by a tick whose hook swallows that another run has done it', async () => {
    const token = getScopedEntityManagerToken();
    const around = [
      async (tick: Tick, next: () => Promise<unknown>) => {
        await tick.scope.resolve<EntityManager>(token).catch(() => undefined);
        return next();
      },
    ];
    const app = await startReplica(stores.PostgreSQL.root(), undefined, { options: { around } });
    await app.fire();
    await app.fire();

    expect(app.handled).toHaveLength(1);
    expect(app.skipped).toMatchObject([{ reason: 'already-done' }]);
  });

  it('[H23] goes back uncounted if the tick is aborted while it waits for another run', async () => {
    const [begun, end] = [gate(), gate()];
    const source = new HandSource();
    const given: Provider = { provide: SOURCE, useValue: source };
    const handler: NoteHandler = async () => {
      begun.open();
      await end.opened;
    };
    const more = { isConsumer: true, providers: [given] };
    const first = await startReplica(stores.PostgreSQL.root(), handler, more);
    source.give('order', { id: 'same' });
    await begun.opened;
    const other = new HandSource();
    const second = await startReplica(stores.PostgreSQL.root(), handler, {
      isConsumer: true,
      providers: [{ provide: SOURCE, useValue: other }],
      options: { overrides: { messages: { once: { lockTimeoutMs: 300 } } } },
    });
    const nacks: unknown[] = [];
    other.give('order', { id: 'same', nack: (error) => void nacks.push(error) });
    while ((await database.query(WAITING)).length === 0);
    second.registry.cancel('messages');
    const report = await second.next('tick:finished');
    end.open();
    await first.next('tick:finished');

    expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
    expect(nacks).toEqual([undefined]);
  });

  it('needs no table while its schedule is disabled', async () => {
    const app = await startReplica(typeOrmRoot(database), undefined, { work: { disabled: true } });
    expect(app.registry.get('work')).toMatchObject({ state: 'disabled' });
  });

  it.each([NaN, '', undefined])('fails for an item whose key is %p', async (key) => {
    const app = await startReplica(stores.PostgreSQL.root(), undefined, {
      work: { forEach: { useFactory: () => [1] }, once: { itemKey: () => key as never } },
    });
    await app.fire();
    expect(app.finished).toMatchObject([
      {
        outcome: 'failed',
        phase: 'open',
        error: {
          message: `OnceWorker.work: the itemKey of once must return a non-empty string or a number that identifies the item, not ${key === '' ? '""' : String(key)}.`,
        },
      },
    ]);
  });

  it('needs no record if a test replaces the repository', async () => {
    const fake = { insert: () => undefined };
    const app = await startReplica(stores.PostgreSQL.root(), undefined, {
      build: (builder) => builder.overrideProvider(getScopedRepositoryToken(Note)).useValue(fake),
    });
    await app.fire();
    await app.fire();

    expect(app.handled).toHaveLength(2);
    expect(app.started).toHaveLength(2);
  });

  describe('is refused at start-up', () => {
    const problem = async (...given: Parameters<typeof startReplica>): Promise<string> =>
      String((await refusalOf(startReplica(...given))).message);

    it('without a transaction', async () => {
      expect(
        await problem(stores.PostgreSQL.root(), undefined, { forFeature: { transaction: false } }),
      ).toBe(
        'OnceWorker.work: once of @ScopedCron needs a transaction, but OnceWorker uses no scoped repository or entity manager from ScopedTypeOrmModule.forFeature([...], { transaction: true }). Inject one into the worker, or into a provider that it uses, or remove the option once.',
      );
    });

    it('if the database has no table for the records', async () => {
      expect(await problem(typeOrmRoot(database))).toBe(
        'OnceWorker.work: the option once cannot record work on the data source "default". The table scoped_worker_once cannot be read (relation "scoped_worker_once" does not exist). Add CreateScopedWorkerOnce1764374400000 to the migrations of the data source and run them, or add OnceRecordEntity to its entities with synchronize: true.',
      );
    });

    it.each<[HandlerOptions['once'], string]>([
      ['yes' as never, 'once must be true, false or an object, not "yes"'],
      [
        { key: 1 } as never,
        "once has invalid options: key isn't an option; the options are dataSource, lockTimeoutMs, itemKey",
      ],
    ])('with the value %p', async (once, text) => {
      expect(await problem(stores.PostgreSQL.root(), undefined, { work: { once: once! } })).toBe(
        `OnceWorker.work: @ScopedCron option ${text}.`,
      );
    });

    it.each<[HandlerOptions, string]>([
      [
        { once: { itemKey: () => 1 } },
        'has itemKey, but the schedule has no forEach. Remove itemKey',
      ],
      [
        { forEach: { useFactory: () => [] } },
        'needs itemKey, because forEach runs the handler once for each item. Write once: { itemKey: (item) => item.id }',
      ],
      [
        { once: { dataSource: 'audit' } },
        'names the data source "audit", but OnceWorker has a transaction only on "default". Correct once.dataSource',
      ],
    ])('with the options %p', async (work, text) => {
      expect(await problem(stores.PostgreSQL.root(), undefined, { work })).toBe(
        `OnceWorker.work: once of @ScopedCron ${text}.`,
      );
    });

    it('for a function that is added at run time', async () => {
      const { registry } = await startReplica(stores.PostgreSQL.root());
      const definition = { name: 'more', everyMs: 1_000, once: true, handler: () => undefined };
      expect(() => registry.add(definition)).toThrow(
        new InvalidScheduleError([
          `registry.add("more"): once needs a worker, whose transaction records the work. Instead of a function, pass 'Class.method' as the handler.`,
        ]),
      );
    });
  });

  it('records in the data source that is named, if the worker has transactions on two', async () => {
    const other = sqliteRoot(file, { name: 'audit', entities: [OnceRecordEntity] });

    const app = async (once: HandlerOptions['once']) => {
      @ScopedWorker()
      class Both {
        constructor(
          @InjectScopedRepository(Note) readonly notes: Repository<Note>,
          @InjectScopedEntityManager('audit') readonly audit: unknown,
        ) {}

        @ScopedConsumer(SOURCE, { name: 'both', once: once! })
        handle(): void {}
      }
      const source = new HandSource();
      const test = await startReplica(stores.PostgreSQL.root(), undefined, {
        imports: [
          other,
          ScopedTypeOrmModule.forFeature([], { dataSource: 'audit', transaction: true }),
        ],
        providers: [Both as Type, { provide: SOURCE, useValue: source }],
      });
      return { ...test, source };
    };
    expect((await refusalOf(app(true))).message).toBe(
      'Both.handle: once of @ScopedConsumer must name a data source, because Both has transactions on "default" and "audit". Write, for example, once: { dataSource: "default" }.',
    );
    const { source } = await app({ dataSource: 'audit' });
    source.give();
    source.give('again', { id: '1' });
    await source.settled(2);
    expect(file.query('SELECT * FROM scoped_worker_once')).toHaveLength(1);
    expect(await database.query('SELECT * FROM scoped_worker_once')).toEqual([]);
  });

  it.each(Object.keys(stores) as (keyof typeof stores)[])(
    'can have its table from the migration, on %s',
    async (name) => {
      const root =
        name === 'SQLite'
          ? sqliteRoot(file, MIGRATED as never)
          : typeOrmRoot(database, MIGRATED as never);
      const app = await startReplica(root);
      await app.fire();
      await app.fire();

      expect(app.handled).toHaveLength(1);
      const source: DataSource = dataSourceOf(app);
      await source.undoLastMigration();
      const failed = await source
        .query('SELECT * FROM scoped_worker_once')
        .catch((error: Error) => error.message);
      expect(failed).toContain('scoped_worker_once');
    },
  );
});

const MIGRATED = { migrations: [CreateScopedWorkerOnce1764374400000], migrationsRun: true };

const WAITING = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

/** Renames columns, even those that have a name. */
function camelNames(): DefaultNamingStrategy {
  class CamelNames extends DefaultNamingStrategy {
    override columnName(property: string): string {
      return property.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    }
  }
  return new CamelNames();
}

/** The error with which start-up is refused. */
async function refusalOf(starting: Promise<unknown>): Promise<Error> {
  return starting.then(
    () => {
      throw new Error('The application has started.');
    },
    (error: Error) => error,
  );
}

/** Makes the client lose the answer to the next COMMIT, as if the connection broke after it. */
async function loseAnswer(connecting: Promise<unknown>): Promise<void> {
  const client = (await connecting) as pg.Client;
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  Object.assign(client, {
    query: async (...args: unknown[]) => {
      const answer = await query(...args);
      if (args[0] === 'COMMIT') throw new Error('Connection terminated unexpectedly');
      return answer;
    },
  });
}
