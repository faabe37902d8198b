import type { DataSource, Repository } from 'typeorm';
import type { OpenedScope } from '../../lib/index.js';
import { getScopedRepositoryToken } from '../../lib/typeorm/index.js';
import { LARGEST_POOL } from '../../lib/typeorm/sqlite-pool.js';
import { closeApps } from '../support/app.js';
import { countdown, gate, type Gate, turn } from '../support/gate.js';
import { startNoteApp, type NoteApp } from '../support/note-worker.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import {
  countConnections,
  createTestFile,
  removeTestFiles,
  sqliteRoot,
  type ConnectionLog,
  type TestFile,
} from '../support/sqlite.js';

const NOT_CONNECTED =
  'was destroyed, or is not initialized yet, so a scope cannot open a connection';

const DESTROYED =
  "was destroyed while the scope was open, so the scope's statement was not sent, and any open transaction was rolled back.";

const CUT =
  'was destroyed while a transaction of the application was open, so the rest of the transaction was not sent.';

/** What better-sqlite3 says. */
const CLOSED = 'The database connection is not open';

describe('A scope on an SQLite file whose data source is destroyed', () => {
  let file: TestFile;
  let connections: ConnectionLog;
  let test: NoteApp;
  let dataSource: DataSource;
  let scope: OpenedScope;
  let notes: Repository<Note>;

  const start = async (
    transaction: boolean,
    options: Partial<Parameters<typeof sqliteRoot>[1]> = {},
  ): Promise<void> => {
    connections = countConnections();
    test = await startNoteApp(sqliteRoot(file, { driver: connections.driver, ...options }), {
      transaction,
    });
    dataSource = dataSourceOf(test);
    scope = await test.scopes.open();
    notes = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
  };
  beforeEach(() => {
    file = createTestFile();
  });
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  describe.each([true, false])('with transaction %j', (transaction) => {
    it('cannot send its first statement, and opens no connection', async () => {
      await start(transaction);
      await dataSource.destroy();
      const opened = connections.opened;
      await expect(notes.count()).rejects.toThrow(NOT_CONNECTED);
      await expect(notes.save({ text: 'never' })).rejects.toThrow(NOT_CONNECTED);
      await scope[Symbol.asyncDispose]();

      expect(connections.opened).toBe(opened);
      expect(connections.closed).toBe(connections.opened);
    });

    it('cannot go on with its connection, which is closed', async () => {
      await start(transaction);
      await notes.count();
      await dataSource.destroy();
      await expect(notes.save({ text: 'never' })).rejects.toThrow(DESTROYED);
      await scope[Symbol.asyncDispose]();

      expect(connections.closed).toBe(connections.opened);
      expect(file.committed()).toEqual([]);
    });

    it('cannot open one while it is being destroyed either', async () => {
      await start(transaction);
      const before = notes.count();
      const destroyed = dataSource.destroy();
      const after = (await test.scopes.open()).resolve<Repository<Note>>(
        getScopedRepositoryToken(Note),
      );
      await Promise.allSettled([before, after.then((other) => other.count()), destroyed]);

      expect(connections.closed).toBe(connections.opened);
    });

    it('works when it is initialized again', async () => {
      await start(transaction);
      await dataSource.destroy();
      await expect(notes.count()).rejects.toThrow(NOT_CONNECTED);
      await dataSource.initialize();
      test.script = ({ notes: own }) => own.save({ text: 'again' });
      expect((await test.registry.run('work')).error).toBeUndefined();
      expect(file.committed()).toEqual(['again']);
      await dataSource.destroy();

      expect(connections.closed).toBe(connections.opened);
    });
  });

  it('that waits meanwhile for one of ten connections, which are being opened, gets one after initialize()', async () => {
    const opening = countdown(LARGEST_POOL);
    const held = gate();
    let isHeld = false;
    const prepareDatabase = async (): Promise<void> => {
      if (!isHeld) return;
      opening.hit();
      await held.opened;
    };
    await start(true, { prepareDatabase });
    await scope[Symbol.asyncDispose]();
    test.script = ({ notes: own, tick }) => own.save({ text: String(tick.payload) });
    const run = (payload: number) => test.registry.run('work', { payload });
    isHeld = true;
    const early = Array.from({ length: LARGEST_POOL }, (_, each) => run(each));
    await opening.done;
    isHeld = false;
    const destroyed = dataSource.destroy();
    const late = run(LARGEST_POOL);
    await destroyed;
    await dataSource.initialize();
    held.open();

    expect((await Promise.all(early)).map(({ outcome }) => outcome)).not.toContain('succeeded');
    expect((await late).outcome).toBe('succeeded');
    await dataSource.destroy();
    expect(connections.closed).toBe(connections.opened);
  });

  it('that opens while initialize() still prepares the file waits for it, beside a transaction', async () => {
    let prepared = 0;
    let preparing: Gate | undefined;
    const ready = gate();
    const prepareDatabase = async (): Promise<void> => {
      prepared += 1;
      if (preparing === undefined || prepared < 2) return; // the first connection is the application's
      preparing.open();
      await ready.opened;
    };
    await start(false, { prepareDatabase });
    await scope[Symbol.asyncDispose]();
    test.script = ({ notes: own }) => own.count();
    await dataSource.destroy();
    preparing = gate();
    prepared = 0;
    const initialized = dataSource.initialize();
    await preparing.opened;
    const [begun, end] = [gate(), gate()];
    const request = dataSource.transaction(async (manager) => {
      await manager.query('SELECT 1');
      begun.open();
      await end.opened;
    });
    await begun.opened;
    const report = test.registry.run('work');
    await turn();
    ready.open();

    expect(await report).toMatchObject({ outcome: 'succeeded', value: 0 });
    end.open();
    await Promise.all([request, initialized]);
  });

  it('that the shutdown has abandoned reports that, if its handler sends nothing more', async () => {
    test = await startNoteApp(
      sqliteRoot(file),
      { transaction: true },
      { options: { shutdownTimeoutMs: 1 } },
    );
    const [written, end] = [gate(), gate()];
    test.script = async ({ notes: own }) => {
      await own.save({ text: 'of a tick' });
      written.open();
      await end.opened;
    };
    const running = test.registry.run('work');
    await written.opened;
    await test.app.close();
    end.open();
    const report = await running;

    expect(report).toMatchObject({ outcome: 'failed', phase: 'commit' });
    expect((report.error as Error).message).toContain(DESTROYED);
    expect(file.committed()).toEqual([]);
  });

  it('opens none on a file that is only read', async () => {
    await start(false);
    await dataSource.destroy();
    await start(false, { readonly: true });
    await dataSource.destroy();
    await expect(notes.count()).rejects.toThrow(NOT_CONNECTED);

    expect(connections.closed).toBe(connections.opened);
  });

  it('opens none for a query of the application beside a transaction that ends with it', async () => {
    await start(true);
    const inside = gate();
    const end = gate();
    const failed = dataSource.transaction(async (manager) => {
      await manager.count(Note);
      inside.open();
      await end.opened;
    });
    await inside.opened;
    const reads = [dataSource.getRepository(Note).count()];
    const destroyed = dataSource.destroy();
    reads.push(dataSource.getRepository(Note).count());
    await Promise.allSettled([...reads, destroyed]);
    end.open();
    await expect(failed).rejects.toThrow(CLOSED);

    expect(connections.closed).toBe(connections.opened);
  });

  it('and initialized again lets nothing of an open transaction take effect by itself', async () => {
    await start(true);
    const plain = dataSource.getRepository(Note);
    const [inside, end] = [gate(), gate()];
    const errors: string[] = [];
    const failed = dataSource.transaction(async (manager) => {
      await manager.save(Note, { text: 'lost' });
      inside.open();
      await end.opened;
      for (const save of [
        () => manager.save(Note, { text: 'rest' }),
        () => plain.insert({ text: 'rest' }),
      ])
        await save().catch((error: Error) => errors.push(error.message));
    });
    await inside.opened;
    await dataSource.destroy();
    await dataSource.initialize();
    end.open();

    await expect(failed).rejects.toThrow('Transaction is not started yet');
    expect(errors).toEqual(Array(2).fill(expect.stringContaining(CUT)));
    await plain.save({ text: 'later' });
    expect(file.committed()).toEqual(['later']);
  });

  it.each([false, true])(
    'lets no transaction begin inside an open one (initialized again: %j)',
    async (isAgain) => {
      await start(true);
      const [inside, end] = [gate(), gate()];
      const refused = gate<Error>();
      const failed = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'lost' });
        inside.open();
        await end.opened;
        await manager
          .transaction((inner) => inner.save(Note, { text: 'rest' }))
          .catch(refused.open);
      });
      await inside.opened;
      await dataSource.destroy();
      if (isAgain) await dataSource.initialize();
      end.open();

      expect((await refused.opened).message).toContain(CUT);
      await failed.catch(() => undefined);
      if (!isAgain) await dataSource.initialize();
      await dataSource.getRepository(Note).save({ text: 'later' });
      expect(file.committed()).toEqual(['later']);
    },
  );

  it('leaves the turn to another data source only when its connections are closed', async () => {
    const opening = gate();
    let isSlow = false;
    await start(true, { prepareDatabase: () => (isSlow ? opening.opened : undefined) });
    const other = dataSourceOf(
      await startNoteApp(sqliteRoot(file, { timeout: 0 }), { transaction: true }),
    ).getRepository(Note);
    const inside = gate();
    const end = gate();
    const failed = dataSource.transaction(async (manager) => {
      await manager.save(Note, { text: 'lost' });
      inside.open();
      await end.opened;
    });
    await inside.opened;
    isSlow = true;
    const reading = dataSource.getRepository(Note).count(); // on a second connection
    await turn();
    const writing = other.save({ text: 'of the other' });
    await turn();
    const destroyed = dataSource.destroy();
    await turn();
    opening.open();
    await Promise.allSettled([reading, destroyed]);
    await writing;
    end.open();
    await expect(failed).rejects.toThrow(CLOSED);

    expect(file.committed()).toEqual(['of the other']);
  });
});
