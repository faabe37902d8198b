import { Injectable, Module } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { InjectDataSource } from '@nestjs/typeorm';
import type { DataSource, Repository } from 'typeorm';
import { getScopedRepositoryToken, ScopedTypeOrmModule } from '../../lib/typeorm/index.js';
import { closeApps, compileApp, startApp, type TestApp } from '../support/app.js';
import { gate, turn } from '../support/gate.js';
import { dataSourceOf, Note } from '../support/scoped-typeorm.js';
import { createTestFile, removeTestFiles, sqliteRoot, type TestFile } from '../support/sqlite.js';

const ENTITIES = { entities: [Note] };

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

  /** Saves in a scope while a transaction of the application is open, which is then rolled back. */
  const saveBeside = async (test: TestApp, text: string): Promise<void> => {
    const [begun, end] = [gate(), gate()];
    const request = dataSourceOf(test).transaction(async (manager) => {
      await manager.save(Note, { text: 'of the request' });
      begun.open();
      await end.opened;
      throw new Error('no more');
    });
    request.catch(() => undefined);
    await begun.opened;
    const saving = save(test, text);
    await turn();
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
          `ScopedTypeOrmModule: a transaction of the application on ${file.path} has been open for 60 seconds`,
        );
        expect(log.of('warn')).toEqual([
          `ScopedTypeOrmModule has waited 5 seconds for an open transaction of the application on ${file.path}. Scopes can open their own connections only after it.`,
        ]);
      } finally {
        performance.now = now;
        end.open();
        await Promise.allSettled(seeding);
      }
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
