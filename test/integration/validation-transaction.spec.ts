import {
  Injectable,
  Module,
  UseGuards,
  type CanActivate,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Entity, PrimaryGeneratedColumn, type EntityManager, type Repository } from 'typeorm';
import { inspectScopes, ScopedCron, ScopedWorker } from '../../lib/index.js';
import {
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps, startApp } from '../support/app.js';
import { testDatabase } from '../support/postgres.js';
import { YEARLY } from '../support/probes.js';
import { committed, Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { findingsOf, startClean, told } from '../support/validation.js';

@Entity('others')
class Other {
  @PrimaryGeneratedColumn()
  id!: number;
}

@Injectable()
class Notes {
  constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
}

@Injectable()
class Audit {
  constructor(
    @InjectScopedRepository(Note) readonly notes: Repository<Note>,
    @InjectScopedEntityManager() readonly manager: EntityManager,
  ) {}
}

@ScopedWorker()
class Import {
  constructor(
    readonly notes: Notes,
    readonly audit: Audit,
  ) {}

  @ScopedCron(YEARLY)
  async run(): Promise<void> {
    await this.audit.notes.save({ text: 'audit' });
    await this.notes.notes.save({ text: 'note' });
    throw new Error('no more');
  }
}

@ScopedWorker()
class Export {
  constructor(
    readonly notes: Notes,
    readonly audit: Audit,
  ) {}

  @ScopedCron(YEARLY)
  run(): void {}
}

/** A module that provides and exports a class over the repository of `Note`. */
function over(name: string, type: Type, transaction: boolean, dataSource?: string): DynamicModule {
  class Feature {}
  Object.defineProperty(Feature, 'name', { value: name });
  Module({})(Feature);
  const options = { transaction, ...(dataSource === undefined ? {} : { dataSource }) };
  return {
    module: Feature,
    imports: [ScopedTypeOrmModule.forFeature([Note], options)],
    providers: [type],
    exports: [type],
  };
}

describe('A tick that uses a data source both with and without a transaction', () => {
  const database = testDatabase();
  afterEach(closeApps);

  const mixed = () => ({
    imports: [
      typeOrmRoot(database),
      over('NotesModule', Notes, true),
      over('AuditModule', Audit, false),
    ],
  });

  it('[XB1] is reported with the worker, both providers and what to write', async () => {
    const findings = await findingsOf({ ...mixed(), providers: [Import] });
    expect(findings).toEqual([
      {
        number: 'SW213',
        kind: 'transaction-mixed',
        severity: 'warning',
        subject: 'Audit',
        token: Audit,
        chain: ['Import.run', 'Audit', 'Repository of Note (default)'],
        message:
          'Ticks of Import.run use the data source default both with and without a transaction. Audit in AuditModule injects Repository of Note (default) without { transaction: true } (Import.run -> Audit -> Repository of Note (default)), but Notes in NotesModule injects Repository of Note (default) with it. If a tick fails, its transaction is rolled back, but what Audit has written outside it stays committed. Set { transaction: true } in the ScopedTypeOrmModule.forFeature() that provides Repository of Note (default) to AuditModule. If Audit only reads through Repository of Note (default), or its writes must survive a failed tick, add SW213 for Audit to allowFindings.',
      },
    ]);
  });

  it('[XB1] is logged by default and shown by the inspector, and can be allowed', async () => {
    const test = await startApp({ ...mixed(), providers: [Import] });
    expect(told(test, 'warn')).toEqual([expect.stringMatching(/^\[SW213\] Ticks of Import\.run /)]);
    expect(inspectScopes(test.app).findings).toMatchObject([{ number: 'SW213' }]);
    await test.registry.run('Import.run');
    expect(await committed(database)).toEqual(['audit']);
    await closeApps();
    await database.query('DROP TABLE notes');
    const reason = 'the audit must survive';
    await startClean({
      ...mixed(),
      providers: [Import],
      options: { allowFindings: [{ finding: 'transaction-mixed', token: Audit, reason }] },
    });
  });

  it('[XB1] is clean, and rolls everything back, once all use the same option', async () => {
    const test = await startClean({
      imports: [
        typeOrmRoot(database),
        over('NotesModule', Notes, true),
        over('AuditModule', Audit, true),
      ],
      providers: [Import],
    });
    await test.registry.run('Import.run');
    expect(await committed(database)).toEqual([]);
  });

  it('[XB1] is reported once for a service of several workers', async () => {
    const findings = await findingsOf({ ...mixed(), providers: [Import, Export] });
    expect(findings.map(({ subject }) => subject)).toEqual(['Audit']);
  });

  it('[XB1] is reported for a worker whose module imports both', async () => {
    @ScopedWorker()
    class Both {
      constructor(
        @InjectScopedRepository(Note) readonly notes: Repository<Note>,
        @InjectScopedRepository(Other) readonly others: Repository<Other>,
      ) {}

      @ScopedCron(YEARLY)
      run(): void {}
    }
    const findings = await findingsOf({
      imports: [
        typeOrmRoot(database),
        ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
        ScopedTypeOrmModule.forFeature([Other]),
      ],
      providers: [Both],
    });
    expect(findings).toMatchObject([
      { number: 'SW213', subject: 'Both', chain: ['Both.run', 'Repository of Other (default)'] },
    ]);
  });

  it('[XB1] is reported for a guard of a handler', async () => {
    @Injectable()
    class Guard implements CanActivate {
      constructor(readonly audit: Audit) {}

      canActivate(): boolean {
        return true;
      }
    }
    @ScopedWorker()
    class Guarded {
      constructor(readonly notes: Notes) {}

      @UseGuards(Guard)
      @ScopedCron(YEARLY)
      run(): void {}
    }
    const findings = await findingsOf({ ...mixed(), providers: [Guarded] });
    expect(findings.map(({ chain }) => chain)).toEqual([
      ['Guarded.run', 'Guard', 'Audit', 'Repository of Note (default)'],
    ]);
  });

  it.each([true, false])('[XB1] is not reported if all have transaction: %p', async (option) => {
    const { registry } = await startClean({
      imports: [
        typeOrmRoot(database),
        over('NotesModule', Notes, option),
        over('AuditModule', Audit, option),
      ],
      providers: [Import],
    });
    expect(registry.list()).toHaveLength(1);
  });

  it('[XB1] is not reported for two workers of which each has its own option', async () => {
    @ScopedWorker()
    class WithTransaction {
      constructor(readonly notes: Notes) {}

      @ScopedCron(YEARLY)
      run(): void {}
    }
    @ScopedWorker()
    class Without {
      constructor(readonly audit: Audit) {}

      @ScopedCron(YEARLY)
      run(): void {}
    }
    const { registry } = await startClean({
      ...mixed(),
      providers: [WithTransaction, Without],
    });
    expect(registry.list()).toHaveLength(2);
  });

  it('[XB1] is not reported for two data sources', async () => {
    @Injectable()
    class Archive {
      constructor(@InjectScopedRepository(Note, 'archive') readonly notes: Repository<Note>) {}
    }
    @ScopedWorker()
    class Move {
      constructor(
        readonly notes: Notes,
        readonly archive: Archive,
      ) {}

      @ScopedCron(YEARLY)
      run(): void {}
    }
    const { registry } = await startClean({
      imports: [
        typeOrmRoot(database),
        typeOrmRoot(database, { name: 'archive', synchronize: false }),
        over('NotesModule', Notes, true),
        over('ArchiveModule', Archive, false, 'archive'),
      ],
      providers: [Move],
    });
    expect(registry.list()).toHaveLength(1);
  });

  it('[XB1] is not reported where a test replaces the service', async () => {
    const { registry } = await startClean({
      ...mixed(),
      providers: [Import],
      build: (to) => to.overrideProvider(Audit).useValue({}),
    });
    expect(registry.list()).toHaveLength(1);
  });
});
