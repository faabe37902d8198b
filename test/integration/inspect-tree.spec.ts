import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, Scope, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { EntityManager, Repository } from 'typeorm';
import { inspectScopes, ScopedCron, ScopedWorker, ScopedWorkerModule } from '../../lib/index.js';
import {
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import type { InspectedProvider } from '../../lib/inspect/inspection.interface.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { probes, Transient, worker } from '../support/probes.js';
import { Note } from '../support/scoped-typeorm.js';

/** Every provider of a tree that is built, by name. */
function builtOf({ name, isRepeated, dependencies }: InspectedProvider): string[] {
  return isRepeated ? [] : [name, ...dependencies.flatMap(builtOf)];
}

/** Every name in a tree, in its order. */
function namesIn({ name, dependencies }: InspectedProvider): string[] {
  return [name, ...dependencies.flatMap(namesIn)];
}

/** Nest 11.0 builds the transient of a transient once for each that injects it (as graph-truth.property.spec.ts has it). */
const sharesNested = process.env['NEST'] !== 'nest11-oldest';

describe('The tree of a worker', () => {
  afterEach(closeApps);

  it('shows a transient that two others of one tick share as the one instance that it is', async () => {
    const { journal, Probe } = probes();
    @Transient()
    class Stamp extends Probe {}
    @Transient()
    class Left extends Probe {
      constructor(readonly stamp: Stamp) {
        super();
      }
    }
    @Transient()
    class Right extends Probe {
      constructor(readonly stamp: Stamp) {
        super();
      }
    }
    const test = await startApp({
      providers: [Stamp, Left, Right, worker([Left, Right])],
    });
    await test.registry.run('Worker.run');
    const [inspected] = inspectScopes(test.app).workers;
    const built = builtOf(inspected!.tree).filter((name) => name !== 'Worker');
    const real = journal.of('built');
    expect(built.toSorted()).toEqual((sharesNested ? real : [...new Set(real)]).toSorted());
    expect(inspected!.disposal).toHaveLength(built.length);
  });

  it('does not grow with the number of ways to a transient', async () => {
    const providers: Provider[] = [];
    for (let level = 0; level < 12; level += 1) {
      for (const side of ['left', 'right']) {
        const inject = level === 0 ? [] : [`left${level - 1}`, `right${level - 1}`];
        providers.push({
          provide: `${side}${level}`,
          scope: Scope.TRANSIENT,
          inject,
          useFactory: () => ({}),
        });
      }
    }
    const { app } = await compileApp({
      providers: [...providers, worker(['left11'])],
    });
    expect(builtOf(inspectScopes(app).workers[0]!.tree)).toHaveLength(1 + 23);
  });

  it('is read however deep it is, as Nest builds it', async () => {
    const providers: Provider[] = [{ provide: 'P0', scope: Scope.REQUEST, useFactory: () => ({}) }];
    for (let depth = 1; depth < 5_000; depth += 1)
      providers.push({
        provide: `P${depth}`,
        inject: [`P${depth - 1}`],
        useFactory: () => ({}),
      });
    const test = await startApp({
      providers: [...providers, worker(['P4999'])],
    });
    expect(inspectScopes(test.app).workers[0]!.disposal).toHaveLength(5_000);
  });
});

describe('The next runs of a schedule', () => {
  afterEach(closeApps);

  it('begin with the one at the start, after the initial delay', async () => {
    @ScopedWorker()
    class Report {
      @ScopedCron('0 0 3 * * *', {
        timeZone: 'UTC',
        runOnStart: true,
        initialDelayMs: 60_000,
      })
      run(): void {}
    }
    const { app } = await compileApp({ providers: [Report] });
    const { schedules } = inspectScopes(app, {
      from: new Date('2026-06-01T00:00:00Z'),
    });
    expect(schedules[0]!.nextRuns.slice(0, 2)).toEqual([
      '2026-06-01T00:01:00.000Z',
      '2026-06-01T03:00:00.000Z',
    ]);
  });

  it('names what ScopedTypeOrmModule provides in words, and leaves out what only the library uses', async () => {
    @Injectable()
    class Notes {
      constructor(
        @InjectScopedRepository(Note) readonly notes: Repository<Note>,
        @InjectScopedRepository('Memo') readonly memos: Repository<object>,
        @InjectScopedRepository('transaction') readonly transactions: Repository<object>,
        @InjectScopedEntityManager('archive') readonly archive: EntityManager,
      ) {}
    }
    @Module({
      imports: [
        ScopedWorkerModule.forRoot(),
        TypeOrmModule.forRoot({ type: 'postgres', name: 'archive' }),
        TypeOrmModule.forRoot({ type: 'postgres' }),
        ScopedTypeOrmModule.forFeature([Note, 'Memo', 'transaction'], { transaction: true }),
        ScopedTypeOrmModule.forFeature([], { dataSource: 'archive' }),
      ],
      providers: [Notes, worker([Notes])],
    })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, {
      preview: true,
      logger: false,
    });
    const { workers, findings } = inspectScopes(app);
    expect(namesIn(workers[0]!.tree)).toEqual([
      'Worker',
      'Notes',
      'Repository of Note (default)',
      'transaction of data source default',
      'Repository of Memo (default)',
      'transaction of data source default',
      'Repository of transaction (default)',
      'transaction of data source default',
      'EntityManager of data source archive',
      'connection of data source archive',
    ]);
    expect(workers[0]!.disposal.join()).toContain(
      'the result of the factory of transaction of data source default',
    );
    expect(findings).toEqual([]);
  });
});
