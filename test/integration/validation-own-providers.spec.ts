import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type OnModuleInit,
} from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { type EntityManager, type Repository } from 'typeorm';
import {
  BackgroundWorker,
  inMemoryQueue,
  inspectScopes,
  ProviderScopeFactory,
  ScopedConsumer,
  ScopedCron,
  ScopedWorker,
  ScopedWorkerEvents,
  ScopedWorkerModule,
  ScopedWorkerRegistry,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import {
  getScopedEntityManagerToken,
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
} from '../../lib/typeorm/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { heard } from '../support/background.js';
import { testDatabase } from '../support/postgres.js';
import { YEARLY } from '../support/probes.js';
import { Note, typeOrmRoot } from '../support/scoped-typeorm.js';
import { findingsOf, startClean, wordsAbout } from '../support/validation.js';

@Injectable()
class Notes {
  constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
}

@ScopedWorker()
class NoteWorker {
  constructor(
    readonly notes: Notes,
    @InjectScopedEntityManager() readonly manager: EntityManager,
  ) {}

  @ScopedCron(YEARLY)
  async count(): Promise<number> {
    return this.notes.notes.count();
  }

  @ScopedConsumer('orders')
  take(): void {}
}

@Injectable()
class Sync extends BackgroundWorker {
  constructor(readonly scopes: ProviderScopeFactory) {
    super();
  }

  async execute(stopping: AbortSignal): Promise<void> {
    await heard(stopping);
  }
}

@Injectable()
class Dashboard {
  constructor(
    readonly registry: ScopedWorkerRegistry,
    readonly events: ScopedWorkerEvents,
    readonly scopes: ProviderScopeFactory,
  ) {}
}

/** A controller on TypeORM's own repositories. */
@Controller('notes')
class NotesController {
  constructor(
    @InjectRepository(Note) readonly notes: Repository<Note>,
    readonly dashboard: Dashboard,
  ) {}
}

const orders = { provide: 'orders', useValue: inMemoryQueue<number>({ capacity: 1 }) };

describe("The library's own providers pass the strictest validation without a finding", () => {
  const database = testDatabase();
  afterEach(closeApps);

  const findingsIn = ({ app }: TestApp): unknown[] =>
    inspectScopes(app).findings.filter(({ kind }) => kind !== 'worker-not-provided');

  it.each<[string, ScopedWorkerModuleOptions]>([
    ['by themselves', {}],
    ['with leak detection', { leakDetection: {} }],
    ['with the memory watched', { memory: {} }],
    ['with hooks around ticks', { around: [(_tick, next) => next()], globalEnhancers: true }],
  ])('[C15] %s', async (_what, options) => {
    const test = await startClean({ providers: [Dashboard, Sync], options });
    expect(findingsIn(test)).toEqual([]);
  });

  it('[C15] with ScheduleModule and adoption', async () => {
    const test = await startClean({
      imports: [ScheduleModule.forRoot()],
      providers: [Dashboard],
      options: { adoptNestSchedules: true },
    });
    expect(findingsIn(test)).toEqual([]);
  });

  it('[C15] from forRootAsync()', async () => {
    @Module({
      imports: [
        ScopedWorkerModule.forRootAsync({ useFactory: () => ({ scopeValidation: 'strict' }) }),
      ],
    })
    class Again {}
    expect(findingsIn(await startClean({ imports: [Again] }))).toEqual([]);
  });

  it.each([false, true])('[C15] with ScopedTypeOrmModule, transaction: %p', async (transaction) => {
    const forFeature = (): DynamicModule => ScopedTypeOrmModule.forFeature([Note], { transaction });
    @Module({ imports: [forFeature()], providers: [Notes], exports: [Notes] })
    class NotesModule {}
    const test = await startClean({
      imports: [typeOrmRoot(database), forFeature(), NotesModule, TypeOrmModule.forFeature([Note])],
      controllers: [NotesController],
      providers: [Dashboard, Sync, orders, NoteWorker],
    });
    await test.registry.run('NoteWorker.count');
    expect(findingsIn(test)).toEqual([]);
  });

  it.each([undefined, Scope.REQUEST])(
    'a controller over what only scopes can use is reported, with scope %p',
    async (scope) => {
      @Controller({ path: 'over', ...(scope === undefined ? {} : { scope }) })
      class Over {
        constructor(readonly notes: Notes) {}
      }
      const findings = await findingsOf({
        imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note])],
        controllers: [Over],
        providers: [Notes, orders, NoteWorker],
      });
      expect(findings).toMatchObject([
        {
          kind: 'controller-rebuilt',
          subject: 'Over',
          chain: expect.arrayContaining(['Over', 'Notes']),
        },
      ]);
      expect(findings[0]!.message).toMatch(/^Over depends on .*In a request, its statements fail/);
      // The user knows it as @InjectScopedRepository(Note), and has never seen this token.
      expect(findings[0]!.message).not.toContain('nestjs-scoped-worker:');
      expect(findings[0]!.message).not.toContain('If this is intentional');
    },
  );

  it('a provider whose hook uses one receives the advice to inject that of @nestjs/typeorm', async () => {
    @Injectable()
    class Seeder implements OnModuleInit {
      constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}

      async onModuleInit(): Promise<void> {
        await this.notes.save({ text: 'seeded' });
      }
    }
    const findings = await findingsOf({
      imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note])],
      providers: [Seeder],
    });
    expect(findings.map(({ kind, message }) => [kind, message])).toEqual([
      [
        'hook-unused',
        'Nest never calls onModuleInit on Seeder, because it depends on Repository of Note (default), which is request-scoped (Seeder -> Repository of Note (default)). The work in the hook never happens. Instead of Repository of Note (default), inject the EntityManager or Repository from @nestjs/typeorm.',
      ],
    ]);
  });

  it('a provider whose hook uses a service over one receives the advice to resolve that in a standalone scope', async () => {
    @Injectable()
    class Notes {
      constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
    }
    @Injectable()
    class Seeder implements OnModuleInit {
      constructor(readonly notes: Notes) {}

      onModuleInit(): void {}
    }
    const [found] = await findingsOf({
      imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note])],
      providers: [Notes, Seeder],
    });
    expect(found).toMatchObject({ kind: 'hook-unused', subject: 'Seeder' });
    expect(found!.message).toMatch(
      / Instead of Notes, inject ProviderScopeFactory as scopes, and resolve Notes in scopes\.run\(async \(scope\) => \{ \.\.\. \}\)\.$/,
    );
  });

  it('a provider whose hook uses the result of a request-scoped factory over one is left out', async () => {
    class Store {}
    const store = {
      provide: Store,
      scope: Scope.REQUEST,
      inject: [getScopedEntityManagerToken()],
      useFactory: () => new Store(),
    };
    @Injectable()
    class Seeder implements OnModuleInit {
      constructor(readonly store: Store) {}

      onModuleInit(): void {}
    }
    const words = await wordsAbout({
      imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note])],
      providers: [store, Seeder],
    });
    expect(words).toEqual([]);
  });

  it('a background worker over them receives the advice to resolve a class, whose module decides the transaction', async () => {
    @Injectable()
    class NoteSync extends BackgroundWorker {
      constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {
        super();
      }

      async execute(): Promise<void> {}
    }
    const findings = await findingsOf({
      imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note])],
      providers: [NoteSync],
    });
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /^NoteSync is a BackgroundWorker, .* Move the code that uses Repository of Note \(default\) into a request-scoped class, and inject ProviderScopeFactory as scopes\. In each iteration, resolve that class in /,
      ),
    ]);
  });

  it('one over them that resolves them in a scope starts', async () => {
    @Controller('careful')
    class Careful {
      constructor(private readonly scopes: ProviderScopeFactory) {}

      count(): Promise<number> {
        return this.scopes.run(async (scope) => (await scope.resolve(Notes)).notes.count());
      }
    }
    const { app } = await startApp({
      imports: [typeOrmRoot(database), ScopedTypeOrmModule.forFeature([Note])],
      controllers: [Careful],
      providers: [Notes, orders, NoteWorker],
      options: { scopeValidation: 'strict' },
    });
    await expect(app.get(Careful).count()).resolves.toBe(0);
  });
});
