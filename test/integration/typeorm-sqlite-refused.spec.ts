import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource, QueryRunner, Repository } from 'typeorm';
import { WriteRefusedError, type ScopedWorkerEventMap } from '../../lib/index.js';
import {
  getScopedRepositoryToken,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps } from '../support/app.js';
import { gate, type Gate } from '../support/gate.js';
import { startNoteApp, type NoteApp, type NoteScope } from '../support/note-worker.js';
import { YEARLY } from '../support/probes.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

/** A service of the application that was there before the workers. */
@Injectable()
class Audit {
  readonly errors: unknown[] = [];

  constructor(@InjectRepository(Note) readonly notes: Repository<Note>) {}

  async save(text: string): Promise<void> {
    await this.notes.save({ text });
  }

  async write(work: () => Promise<unknown>): Promise<void> {
    await work();
  }

  /** Catches what `save()` throws. */
  async tryToSave(text: string): Promise<void> {
    await this.save(text).catch((error: unknown) => this.errors.push(error));
  }
}

describe('A write that is refused inside of a tick with a transaction on an SQLite file', () => {
  let file: TestFile;
  let test: NoteApp;
  let audit: Audit;
  let dataSource: DataSource;
  let strays: ScopedWorkerEventMap['failure:stray'][];

  beforeEach(async () => {
    file = createTestFile();
    strays = [];
    const root = {
      module: class Root {},
      imports: [sqliteRoot(file), TypeOrmModule.forFeature([Note])],
      providers: [Audit],
      exports: [Audit],
    };
    test = await startNoteApp(root, { transaction: true });
    test.events.on('failure:stray', (failure) => strays.push(failure));
    audit = test.app.get(Audit, { strict: false });
    dataSource = dataSourceOf(test);
  });
  afterEach(async () => {
    await closeApps();
    removeTestFiles();
  });

  const run = (script: (scope: NoteScope) => unknown) => {
    test.script = script;
    return test.registry.run('work');
  };
  /** The error of a write inside of a tick that has written. */
  const refusalOf = async (write: () => Promise<unknown>): Promise<WriteRefusedError> => {
    const { error } = await run(async ({ notes }) => {
      await notes.save({ text: 'of the tick' });
      await write();
    });
    expect(error).toBeInstanceOf(WriteRefusedError);
    return error as WriteRefusedError;
  };

  describe('and whose error is caught', () => {
    const tick = async ({ notes }: NoteScope): Promise<void> => {
      await audit.tryToSave('before');
      await notes.save({ text: 'of the tick' });
      await audit.tryToSave('first');
      await audit.tryToSave('second');
    };

    it('is reported once for each tick, when the tick has ended, and logged once for the schedule', async () => {
      const reports = [];
      for (const number of [1, 2]) {
        const report = await run(async (scope) => {
          await tick(scope);
          expect(strays).toHaveLength(number - 1);
        });
        reports.push(report);
      }

      expect(reports).toMatchObject([{ outcome: 'succeeded' }, { outcome: 'succeeded' }]);
      expect(audit.errors).toHaveLength(4);
      expect(strays).toEqual(
        reports.map(({ tickId }, index) => ({
          where: 'refused-statement',
          schedule: 'work',
          tickId,
          error: audit.errors[index * 2],
        })),
      );
      const lines = [...test.log.of('error'), ...test.log.of('debug')];
      expect(lines).toEqual(
        reports.map(
          ({ tickId }) =>
            expect.stringMatching(
              `^work \\(${tickId}\\) either did not await a statement that the library refused to send, or caught the error of that statement: WriteRefusedError: A write to `,
            ) as string,
        ),
      );
      expect(test.log.of('error')).toHaveLength(1);
    });

    it('is logged again for a schedule that has been removed and added again', async () => {
      await run(tick);
      test.registry.remove('work');
      test.registry.add({ name: 'work', cron: YEARLY, handler: 'NoteWorker.work' });
      await run(tick);

      expect(test.log.of('error')).toHaveLength(2);
    });

    it('is reported beside another failure of the tick', async () => {
      const report = await run(async (scope) => {
        await tick(scope);
        throw new Error('no such note');
      });

      expect(report).toMatchObject({ outcome: 'failed', error: { message: 'no such note' } });
      expect(strays).toMatchObject([{ where: 'refused-statement', tickId: report.tickId }]);
    });

    it('is reported of the tick, also in a standalone scope that catches it or throws it', async () => {
      const inScope = (write: (text: string) => Promise<void>) => async (scope: NoteScope) => {
        await scope.notes.save({ text: 'of the tick' });
        await test.scopes.run(() => write('never')).catch(() => undefined);
      };
      const reports = [
        await run(inScope((text) => audit.tryToSave(text))),
        await run(inScope((text) => audit.save(text))),
      ];

      expect(strays).toMatchObject(
        reports.map(({ tickId }) => ({ where: 'refused-statement', schedule: 'work', tickId })),
      );
    });

    it('is reported of a standalone scope outside of ticks', async () => {
      await test.scopes.run(async (scope) => {
        const own = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
        await own.save({ text: 'of the scope' });
        await audit.tryToSave('never');
      });

      expect(strays).toMatchObject([{ where: 'refused-statement', schedule: undefined }]);
      expect(test.log.of('error')).toEqual([
        expect.stringMatching(
          /^Code in a standalone scope either did not await a statement that the library refused to send, or caught the error of that statement: /,
        ),
      ]);
      expect(file.committed()).toEqual(['of the scope']);
    });
  });

  it.each<[string, (error: unknown) => unknown]>([
    ['as it is', (error) => error],
    ['as a cause', (cause) => new Error('cannot audit', { cause })],
    ['as one of several', (error) => new AggregateError([new Error('other'), error])],
  ])('is not reported again when the tick fails with the error, %s', async (_, wrap) => {
    const report = await run(async ({ notes }) => {
      await notes.save({ text: 'of the tick' });
      await audit.save('never').catch((error: unknown) => {
        throw wrap(error);
      });
    });

    expect(report.outcome).toBe('failed');
    expect(strays).toEqual([]);
    expect(test.log.of('error')).toHaveLength(1);
  });

  it('is reported only as waitFor work that failed, if it was that and the tick fails with another error', async () => {
    const report = await run(async ({ notes, tick }) => {
      await notes.save({ text: 'of the tick' });
      tick.scope.waitFor(audit.save('never'));
      throw new Error('no such note');
    });

    expect(report).toMatchObject({ outcome: 'failed', error: { message: 'no such note' } });
    expect(strays).toEqual([
      expect.objectContaining({ where: 'wait-for', error: expect.any(WriteRefusedError) }),
    ]);
  });

  it('is not refused, and not reported, before the first statement or with the scoped repository', async () => {
    const report = await run(async ({ notes }) => {
      await audit.tryToSave('before');
      await new Audit(notes).tryToSave('in the tick');
    });

    expect(report.outcome).toBe('succeeded');
    expect(audit.errors).toEqual([]);
    expect(strays).toEqual([]);
    expect(file.committed()).toEqual(['before', 'in the tick']);
  });

  describe('and is called before the tick ends, and sent after that', () => {
    /** Calls `delete()` in a tick that fails, and has its statement sent when the gate opens. */
    const failWith = async (after: Gate): Promise<{ readonly deleted: Promise<unknown> }> => {
      const called = gate();
      const { subscribers } = dataSource;
      subscribers.push({
        beforeRemove: () => {
          called.open();
          return after.opened;
        },
      });
      let deleted: Promise<unknown> | undefined;
      const report = await run(async ({ notes }) => {
        await notes.save({ text: 'of the tick' });
        deleted = audit.notes.delete({ text: 'before' });
        deleted.catch(() => undefined);
        await called.opened;
        throw new Error('no such note');
      });
      subscribers.pop();
      expect(report).toMatchObject({ outcome: 'failed', error: { message: 'no such note' } });
      return { deleted: deleted! };
    };

    it('has no effect when the tick has failed', async () => {
      await audit.save('before');
      const after = gate();
      const { deleted } = await failWith(after);
      after.open();

      await expect(deleted).rejects.toThrow(WriteRefusedError);
      expect(file.committed()).toEqual(['before']);
    });

    it('refuses nothing that other work writes with the same query runner', async () => {
      let runner: QueryRunner | undefined;
      await run(async ({ notes }) => {
        await notes.save({ text: 'of the tick' });
        runner = dataSource.createQueryRunner();
      });
      await runner!.manager.save(Note, { text: 'of the application' });
      await run(() => runner!.manager.save(Note, { text: 'of another tick' }));
      await runner!.release();

      expect(file.committed()).toEqual(['of another tick', 'of the application', 'of the tick']);
    });

    it('is accepted if it is called after the transaction', async () => {
      const report = await run(async ({ notes, tick }) => {
        await notes.save({ text: 'never' });
        tick.scope.defer(() => audit.save('after the rollback'));
        throw new Error('no such note');
      });

      expect(report).toMatchObject({ error: { message: 'no such note' }, disposeErrors: [] });
      expect(file.committed()).toEqual(['after the rollback']);
    });
  });

  describe('has an error', () => {
    it('that names the file, the statement, the tick and what to write instead', async () => {
      const error = await refusalOf(() => audit.notes.insert({ text: 'never' }));

      expect(error).toMatchObject({
        code: 'WRITE_REFUSED',
        file: file.path,
        statement: expect.stringMatching(/^INSERT INTO "notes"\(.*"text"\) VALUES \(.*\?\)/),
        holder: expect.stringMatching(/^work \(tick-.+\)$/),
      });
      expect(error.message).toContain(error.statement);
      expect(error.message).toContain(`The transaction of ${error.holder} holds the write lock`);
      expect(error.message).toContain('@InjectScopedRepository()');
    });

    it('that shortens a long statement to one line', async () => {
      const error = await refusalOf(() =>
        dataSource.query(`\n  INSERT INTO notes (text)\n  VALUES ('${'x'.repeat(200)}')`),
      );

      expect(error.statement).toMatch(/^INSERT INTO notes \(text\) VALUES \('x+\.\.\.$/);
      expect(error.statement).toHaveLength(123);
    });

    it.each<[string, () => Promise<unknown>]>([
      ['save()', () => audit.notes.save({ text: 'never' })],
      ['save() of many', () => audit.notes.save([{ text: 'never' }, { text: 'either' }])],
      ['insert()', () => audit.notes.insert({ text: 'never' })],
      ['update()', () => audit.notes.update({ id: 1 }, { text: 'never' })],
      ['delete()', () => audit.notes.delete({ id: 1 })],
      ['upsert()', () => audit.notes.upsert({ id: 1, text: 'never' }, ['id'])],
      ['a query builder', () => audit.notes.createQueryBuilder().delete().execute()],
      ['a statement', () => dataSource.query('DELETE FROM notes')],
      ['a transaction', () => dataSource.transaction((own) => own.delete(Note, { id: 1 }))],
    ])('whose stack leads to the service: %s', async (_, write) => {
      const error = await refusalOf(() => audit.write(write));

      expect(error.stack).toContain(`WriteRefusedError: ${error.message}\n    at `);
      expect(error.stack).toMatch(/ at (async )?Audit\.(write|work \[as write\]) \(/);
    });

    it('whose stack leads to the service also when it had to wait before', async () => {
      const read = ({ notes }: NoteScope) => notes.count();
      await Promise.all([run(read), run(read)]); // opens two connections
      let letGo = (): void => undefined;
      const held = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'held' });
        await new Promise<void>((resolve) => (letGo = resolve));
      });
      const report = run(async ({ notes }) => {
        const own = notes.save({ text: 'of the tick' });
        own.catch(() => undefined);
        await new Promise((resolve) => setImmediate(resolve));
        await audit.save('never');
      });
      for (let turns = 0; turns < 50; turns += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      letGo();
      await held;

      const { error } = await report;
      expect(error).toMatchObject({ code: 'WRITE_REFUSED' });
      expect((error as Error).stack).toContain('Audit.save');
    });

    it('that names its own statement in a scope whose transaction may only read', async () => {
      const error = await refusalOf(() =>
        test.scopes.run(async (scope) => {
          const own = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
          await own.count();
          await own.save({ text: 'never' });
        }),
      );

      expect(error.statement).toMatch(/^INSERT INTO "notes"/);
      expect(error.holder).toMatch(/^work \(tick-/);
      expect(error.message).toMatch(
        /The write comes from another scope, scope [\w-]+, inside the work of that transaction\./,
      );
      expect(error.message).not.toContain('@InjectScopedRepository()');
    });

    describe('if another transaction was opened in the tick before its first statement', () => {
      type Inside = (work: () => Promise<unknown>) => Promise<unknown>;
      const places: [string, Inside][] = [
        [
          'in a standalone scope',
          (work) =>
            test.scopes.run(async (scope) => {
              const own = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
              await own.save({ text: 'inner' });
              await work();
            }),
        ],
        [
          'of the application',
          (work) =>
            dataSource.transaction(async (manager) => {
              await manager.save(Note, { text: 'inner' });
              await work();
            }),
        ],
      ];

      it.each(places)('that does not call the tick the inner one: %s', async (_, inside) => {
        const report = await run(({ notes }) => inside(() => notes.save({ text: 'never' })));
        const error = report.error as WriteRefusedError;
        expect(error.code).toBe('WRITE_REFUSED');
        expect(error.message).toContain(`The transaction of ${error.holder} holds the write lock.`);
        expect(error.message).toContain('Write through the EntityManager of that transaction');
        expect(error.message).not.toContain('another scope');
      });

      it('that names the inner scope, even if it was resolved before', async () => {
        const report = await run(({ notes }) =>
          test.scopes.run(async (scope) => {
            const own = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
            await notes.save({ text: 'of the tick' });
            await own.save({ text: 'never' });
          }),
        );
        expect((report.error as Error).message).toContain('comes from another scope, scope ');
      });

      it.each(places)('that says why the tick can only read afterwards: %s', async (_, inside) => {
        const report = await run(async ({ notes }) => {
          await inside(() => notes.count());
          await notes.save({ text: 'never' });
        });
        const error = report.error as WriteRefusedError;
        expect(error.code).toBe('WRITE_REFUSED');
        expect(error.message).toMatch(
          /The transaction of work \(tick-[^)]+\) began inside the transaction of .+, so it can only read, /,
        );
        expect(error.message).not.toContain('holds the write lock');
        expect(file.committed()).toEqual(['inner']);
      });
    });

    it('that says to await a write of the application that the tick has not awaited', async () => {
      const { id } = await audit.notes.save({ text: 'before' });
      let late: Promise<unknown> | undefined;
      await run(async ({ notes }) => {
        await notes.save({ text: 'of the tick' });
        late = audit.notes.save({ id, text: 'never' });
        late.catch(() => undefined);
        await Promise.resolve(); // save() has created its query runner
      });

      await expect(late).rejects.toThrow(
        /The write was issued inside the work of work \(tick-[^)]+\), whose transaction has ended in the meantime\./,
      );
      expect(file.committed()).toEqual(['before', 'of the tick']);
    });

    it.each<[string, (plain: NoteScope, own: Repository<Note>) => Promise<unknown>]>([
      [
        'past the transaction',
        async ({ notes }, own) => {
          await own.save({ text: 'never' });
          await notes.save({ text: 'never' });
        },
      ],
      [
        'inside a transaction of the other',
        ({ manager }, own) =>
          manager.transaction(async (inner) => {
            await inner.save(Note, { text: 'never' });
            await own.save({ text: 'never' });
          }),
      ],
    ])('that names the two connections of a scope: a write %s', async (_, write) => {
      @Injectable()
      class Ledger {
        constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
      }
      await closeApps();
      const root = {
        module: class Root {},
        imports: [sqliteRoot(file), ScopedTypeOrmModule.forFeature([Note], { transaction: true })],
        providers: [Ledger],
      };
      test = await startNoteApp(root, {});
      const { error } = await run(async (scope) => {
        const ledger = await scope.tick.scope.resolve(Ledger);
        await write(scope, ledger.notes);
      });

      const { message } = error as WriteRefusedError;
      expect(error).toMatchObject({ code: 'WRITE_REFUSED' });
      expect(message).toContain('comes from the same scope, which has two connections');
      expect(message).toContain('Set the same transaction option in every forFeature()');
      expect(message).not.toContain('@InjectScopedRepository()');
      expect(file.committed()).toEqual([]);
    });

    it('that names a standalone scope, also if exclusive work has resolved its repository, or the application', async () => {
      const ofScope = test.scopes.run(async (scope) => {
        const own = await scope.resolve<Repository<Note>>(getScopedRepositoryToken(Note));
        await own.save({ text: 'never' });
        await audit.save('never');
      });
      await expect(ofScope).rejects.toMatchObject({
        holder: expect.stringMatching(/^scope scope-/),
      });
      const token = getScopedRepositoryToken(Note);
      const inside = test.scopes.run(async (scope) => {
        const own = await test.registry.exclusive('key', () =>
          test.app
            .get(ModuleRef)
            .resolve<Repository<Note>>(token, scope.contextId, { strict: false }),
        );
        await own.save({ text: 'never' });
        await audit.save('never');
      });
      await expect(inside).rejects.toMatchObject({
        holder: expect.stringMatching(/^scope scope-/),
      });
      const ofApplication = dataSource.transaction(async (manager) => {
        await manager.save(Note, { text: 'never' });
        throw (await run(({ notes }) => notes.save({ text: 'never' }))).error;
      });
      await expect(ofApplication).rejects.toMatchObject({ holder: 'the application' });
      expect(file.committed()).toEqual([]);
    });
  });
});
