import { jest } from '@jest/globals';
import { Controller, Get, Module, type DynamicModule, type Type } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type Repository } from 'typeorm';
import { TickTimeoutError, type WriteTimeoutError } from '../../lib/index.js';
import { getScopedRepositoryToken, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { WriteLock } from '../../lib/typeorm/sqlite-write-lock.js';
import { closeApps } from '../support/app.js';
import { countdown, gate, turn, type Gate } from '../support/gate.js';
import { startHttpApp } from '../support/http-app.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { aborted, dataSourceOf, Note } from '../support/scoped-typeorm.js';
import {
  countConnections,
  createTestFile,
  removeTestFiles,
  sqliteRoot,
  type ConnectionLog,
  type TestFile,
} from '../support/sqlite.js';

/** As many as the pool has connections. */
const POOL = 10;

describe('A tick that is aborted while it waits for an SQLite file', () => {
  let file: TestFile;
  let connections: ConnectionLog;
  let test: NoteApp;
  let dataSource: DataSource;
  let plain: Repository<Note>;
  let holding: Gate;

  const start = async (transaction: boolean): Promise<void> => {
    file = createTestFile();
    connections = countConnections();
    test = await startNoteApp(
      sqliteRoot(file, { driver: connections.driver }),
      { transaction },
      { options: { drainTimeoutMs: 0 } },
    );
    dataSource = dataSourceOf(test);
    plain = dataSource.getRepository(Note);
    holding = gate();
  };
  afterEach(async () => {
    jest.restoreAllMocks();
    holding.open();
    await closeApps();
    removeTestFiles();
  });

  const run = (name: 'work' | 'hurry', script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run(name);
  };
  /** Work in a standalone tick. */
  const byHand = (
    work: (notes: Repository<Note>) => unknown,
    signal?: AbortSignal,
  ): Promise<unknown> => {
    const ended = test.scopes.run(
      async (scope) => work(await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note))),
      { name: 'by hand', ...(signal && { signal }) },
    );
    ended.catch(() => undefined);
    return ended;
  };
  /** Enough for all that can go on to do so. */
  const someTurns = async (): Promise<void> => {
    for (let turns = 0; turns < 50; turns += 1) await turn();
  };
  /** Settles when a writer waits for its turn. */
  const oneWaits = (): Promise<void> => {
    const waiting = countdown(1);
    const { take } = WriteLock.prototype;
    jest.spyOn(WriteLock.prototype, 'take').mockImplementation(function (this: WriteLock, ...args) {
      const taken = take.apply(this, args);
      waiting.hit();
      return taken;
    });
    return waiting.done;
  };
  /** A transaction of the application that has the turn until the gate is opened. */
  const holdTurn = async (): Promise<{ readonly held: Promise<unknown> }> => {
    const written = gate();
    const hold = async (): Promise<void> => {
      await dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'held' });
        written.open();
        await holding.opened;
      });
    };
    const held = hold();
    await written.opened;
    return { held };
  };

  describe('with a transaction for the scope', () => {
    beforeEach(() => start(true));

    it('times out at once, and leaves its place to the next', async () => {
      const { held } = await holdTurn();
      const report = await run('hurry', ({ notes }) => notes.save({ text: 'never' }));
      expect(report).toMatchObject({ outcome: 'timed-out', disposeErrors: [] });
      expect(report.error).toBeInstanceOf(TickTimeoutError);

      const next = run('work', ({ notes }) => notes.save({ text: 'next' }));
      holding.open();
      await held;
      expect((await next).error).toBeUndefined();
      expect(file.committed()).toEqual(['held', 'next']);
    });

    it('lets its disposers write after the rollback, even if they wait for their turn', async () => {
      const { held } = await holdTurn();
      const disposing = gate();
      const report = run('hurry', async ({ tick, notes }) => {
        tick.scope.defer(async () => {
          const written = notes.insert({ text: 'deferred' });
          disposing.open();
          await written;
        });
        await aborted(tick.signal);
      });
      await disposing.opened;
      await someTurns();
      holding.open();
      await held;

      expect(await report).toMatchObject({ outcome: 'timed-out', disposeErrors: [] });
      expect(file.committed()).toEqual(['deferred', 'held']);
    });

    it('has a timeout as its error that names the transaction for which it waited, and leads to it', async () => {
      await holdTurn();
      const waits = oneWaits();
      const controller = new AbortController();
      const waiting = byHand((notes) => notes.save({ text: 'never' }), controller.signal);
      await waits;
      const timeout = new TickTimeoutError('outer', 1_500);
      controller.abort(timeout);

      await expect(waiting).rejects.toBe(timeout);
      expect(timeout.cause).toMatchObject({
        code: 'WRITE_TIMEOUT',
        file: file.path,
        holder: 'the application',
        waitedMs: expect.any(Number),
      });
      const { cause } = timeout.cause as WriteTimeoutError;
      expect((cause as Error).stack).toMatch(/ began here\.\n[^]* at (async )?hold /);
    });

    it('is cancelled at once by its own signal, and those behind it take their turns', async () => {
      const { held } = await holdTurn();
      const controller = new AbortController();
      const first = byHand((notes) => notes.save({ text: 'first' }));
      const cancelled = byHand((notes) => notes.save({ text: 'never' }), controller.signal);
      const saving = plain.save({ text: 'plain' });
      await someTurns();
      controller.abort(new Error('enough'));
      await expect(cancelled).rejects.toThrow('enough');

      holding.open();
      await Promise.all([held, first, saving]);
      expect(file.committed()).toEqual(['first', 'held', 'plain']);
    });

    it('is cancelled at once by the shutdown', async () => {
      const { held } = await holdTurn();
      held.catch(() => undefined); // the data source is destroyed meanwhile
      const report = run('work', ({ notes }) => notes.save({ text: 'never' }));
      await someTurns();
      await test.app.close();

      expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(connections.closed).toBe(connections.opened);
      expect(file.committed()).toEqual([]);
    });

    it('rejects all its statements with that reason, also those after it', async () => {
      await holdTurn();
      const controller = new AbortController();
      const errors: unknown[] = [];
      const cancelled = byHand(async (notes) => {
        for (const text of ['a', 'b']) {
          await notes.save({ text }).catch((error: unknown) => errors.push(error));
        }
      }, controller.signal);
      await someTurns();
      controller.abort(new Error('enough'));

      await expect(cancelled).rejects.toThrow('enough');
      expect(errors).toEqual([controller.signal.reason, controller.signal.reason]);
    });
  });

  describe('without a transaction for the scope', () => {
    beforeEach(() => start(false));

    it('is cancelled at once, and can still write after that: this waits for its turn', async () => {
      const { held } = await holdTurn();
      const controller = new AbortController();
      const rejected = gate();
      const work = byHand(async (notes) => {
        await expect(notes.save({ text: 'never' })).rejects.toThrow('enough');
        rejected.open();
        await notes.save({ text: 'after the abort' });
      }, controller.signal);
      await someTurns();
      controller.abort(new Error('enough'));
      await rejected.opened;

      holding.open();
      await Promise.all([held, work]);
      expect(file.committed()).toEqual(['after the abort', 'held']);
    });

    it('is cancelled at once when the abort comes while its connection is opened, with all it has sent', async () => {
      await holdTurn();
      const controller = new AbortController();
      const cancelled = byHand((notes) => {
        const sent = ['a', 'b'].map((text) => notes.insert({ text }));
        setImmediate(() => controller.abort(new Error('enough')));
        return Promise.allSettled(sent);
      }, controller.signal);

      expect(await cancelled).toEqual(
        Array(2).fill({ status: 'rejected', reason: controller.signal.reason }),
      );
    });

    it('is cancelled at once while it waits for a connection, which the next one gets', async () => {
      const reading = countdown(POOL);
      const holders = Array.from({ length: POOL }, () =>
        byHand(async (notes) => {
          await notes.count();
          reading.hit();
          await holding.opened;
        }),
      );
      await reading.done;
      const controller = new AbortController();
      const cancelled = byHand((notes) => notes.count(), controller.signal);
      const next = byHand((notes) => notes.count());
      await someTurns();
      controller.abort(new Error('enough'));
      await expect(cancelled).rejects.toThrow('enough');

      holding.open();
      expect(await next).toBe(0);
      await Promise.all(holders);
      expect(connections.opened).toBe(1 + POOL);
    });
  });
});

/** Saves two notes, one after the other; returns the errors of those that are refused. */
async function saveTwo({ manager }: DataSource): Promise<unknown[]> {
  const save = () => manager.save(Note, { text: 'of the application' });
  const refused = ({ code, holder }: WriteTimeoutError) => ({ code, holder });
  return [await save().catch(refused), await save().catch(refused)];
}

/** Returns a controller that saves through a data source. */
function controllerOn(dataSourceName?: string): Type {
  @Controller('notes')
  class NoteController {
    constructor(@InjectDataSource(dataSourceName) private readonly dataSource: DataSource) {}

    @Get()
    save(): Promise<unknown[]> {
      return saveTwo(this.dataSource);
    }
  }
  return NoteController;
}

@Module({})
class TwoDataSources {
  static on(file: TestFile): DynamicModule {
    return {
      module: TwoDataSources,
      imports: [
        sqliteRoot(file),
        sqliteRoot(file, { name: 'second', synchronize: false }),
        ScopedTypeOrmModule.forFeature([Note], { dataSource: 'second' }),
      ],
    };
  }
}

describe('A request that waits for a tick with a transaction on an SQLite file', () => {
  const startServer = async (
    file: TestFile,
    isStubborn: boolean,
    { root = sqliteRoot(file), controller = controllerOn() } = {},
  ) => {
    const [hasWritten, goOn] = [gate(), gate()];
    const test = await startNoteApp(
      root,
      { transaction: true },
      {
        start: startHttpApp,
        controllers: [controller],
        options: { shutdownTimeoutMs: isStubborn ? 0 : 30_000 },
      },
    );
    test.script = async ({ notes, tick }) => {
      await notes.insert({ text: 'of the tick' });
      hasWritten.open();
      await (isStubborn ? goOn.opened : aborted(tick.signal));
    };
    const running = test.registry.run('work');
    await hasWritten.opened;
    const waiting = gate();
    const { take } = WriteLock.prototype;
    jest.spyOn(WriteLock.prototype, 'take').mockImplementation(function (this: WriteLock, ...args) {
      const taken = take.apply(this, args);
      waiting.open();
      return taken;
    });
    const answer = test.get('/notes');
    await waiting.opened;
    return { test, running, answer, goOn };
  };
  afterEach(() => {
    jest.restoreAllMocks();
    removeTestFiles();
  });

  it.each(['default', 'second'])(
    '[D6] is refused when the shutdown has abandoned the tick, so that the HTTP server can close, data source: %s',
    async (name) => {
      const file = createTestFile();
      const { test, running, answer, goOn } = await startServer(file, true, {
        root: TwoDataSources.on(file),
        controller: controllerOn(name),
      });
      const finished = test.next('shutdown:finished');
      await test.http.close();
      const { abandoned } = await finished;
      goOn.open();

      const refused = { code: 'WRITE_TIMEOUT', holder: abandoned[0] };
      expect(await answer).toEqual([refused, refused]);
      expect((await running).outcome).toBe('failed');
      expect(file.committed()).toEqual([]);
    },
  );

  it('[D5] is answered when the tick ends during the shutdown', async () => {
    const file = createTestFile();
    const { test, running, answer } = await startServer(file, false);
    await test.http.close();

    const saved = { text: 'of the application' };
    expect(await answer).toMatchObject([saved, saved]);
    expect((await running).outcome).toBe('cancelled');
    expect(file.committed()).toHaveLength(2);
  });
});

it.each(['onModuleDestroy', 'beforeApplicationShutdown'] as const)(
  '[D6] A write in %s is refused when the shutdown has abandoned the tick that it waits for',
  async (hook) => {
    const file = createTestFile();
    const [hasWritten, goOn] = [gate(), gate()];
    let saved: unknown[] = [];
    const test = await startNoteApp(
      sqliteRoot(file),
      { transaction: true },
      {
        options: { shutdownTimeoutMs: 0 },
        providers: [
          {
            provide: hook,
            inject: [DataSource],
            useFactory: (dataSource: DataSource) => ({
              [hook]: async () => void (saved = await saveTwo(dataSource)),
            }),
          },
        ],
      },
    );
    test.script = async ({ notes }) => {
      await notes.insert({ text: 'of the tick' });
      hasWritten.open();
      await goOn.opened;
    };
    const running = test.registry.run('work');
    await hasWritten.opened;
    const finished = test.next('shutdown:finished');
    await test.app.close();
    const { abandoned } = await finished;
    goOn.open();
    await running;
    removeTestFiles();

    const refused = { code: 'WRITE_TIMEOUT', holder: abandoned[0] };
    expect(saved).toEqual([refused, refused]);
  },
);
