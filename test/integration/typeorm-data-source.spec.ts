import { Global, Injectable, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { getDataSourceToken, InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { EntitySchema, type EntityManager, type Repository } from 'typeorm';
import { InvalidOptionsError, ScopedCron, ScopedWorker } from '../../lib/index.js';
import {
  getScopedRepositoryToken,
  InjectScopedEntityManager,
  InjectScopedRepository,
  ScopedTypeOrmModule,
  type ScopedTypeOrmOptions,
} from '../../lib/typeorm/index.js';
import { closeApps, compileApp, RecordingLogger, startApp, type TestApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { YEARLY } from '../support/probes.js';
import { committed, dataSourceOf, Note, poolOf, typeOrmRoot } from '../support/scoped-typeorm.js';

describe('A data source', () => {
  let main: TestDatabase;
  let archive: TestDatabase;

  beforeAll(async () => {
    [main, archive] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  });
  beforeEach(() =>
    Promise.all([main, archive].map((each) => each.query('DROP TABLE IF EXISTS notes'))),
  );
  afterEach(closeApps);
  afterAll(() => Promise.all([main.drop(), archive.drop()]));

  describe('when there are several', () => {
    @ScopedWorker()
    class Worker {
      constructor(
        @InjectScopedRepository(Note) private readonly notes: Repository<Note>,
        @InjectScopedRepository(Note, 'archive') private readonly archived: Repository<Note>,
        @InjectScopedEntityManager('archive') private readonly archiveManager: EntityManager,
      ) {}

      @ScopedCron(YEARLY, { name: 'move' })
      async move(): Promise<unknown> {
        await this.notes.save({ text: 'here' });
        await this.archived.save({ text: 'there' });
        const { archiveManager } = this;
        return [this.archived.manager, this.notes.manager].map((its) => its === archiveManager);
      }

      @ScopedCron(YEARLY, { name: 'fail' })
      async fail(): Promise<void> {
        await this.move();
        throw new Error('no more');
      }
    }
    const start = (archiveOptions: ScopedTypeOrmOptions) =>
      startApp({
        imports: [
          typeOrmRoot(main),
          typeOrmRoot(archive, { name: 'archive' }),
          ScopedTypeOrmModule.forFeature([Note]),
          ScopedTypeOrmModule.forFeature([Note], { dataSource: 'archive', ...archiveOptions }),
        ],
        providers: [Worker],
      });

    it('one worker has a connection to each, by name', async () => {
      const test = await start({});
      const report = await test.registry.run('move');

      expect(report.error).toBeUndefined();
      expect(report.value).toEqual([true, false]);
      expect(await committed(main)).toEqual(['here']);
      expect(await committed(archive)).toEqual(['there']);
      for (const pool of [poolOf(test), poolOf(test, 'archive')]) {
        expect(pool.idleCount).toBe(pool.totalCount);
      }
    });

    it('each has its own transaction, or none', async () => {
      const test = await start({ transaction: true });
      await test.registry.run('fail');

      expect(await committed(main)).toEqual(['here']);
      expect(await committed(archive)).toEqual([]);
    });
  });

  describe('when @nestjs/typeorm uses it too', () => {
    it('[A4] the singleton repositories go on as they are', async () => {
      @Injectable()
      class Service {
        constructor(@InjectRepository(Note) readonly notes: Repository<Note>) {}
      }
      const repositories = new Set<Repository<Note>>();
      @ScopedWorker()
      class Worker {
        constructor(
          private readonly service: Service,
          @InjectScopedRepository(Note) private readonly scoped: Repository<Note>,
        ) {}

        @ScopedCron(YEARLY)
        async work(): Promise<void> {
          repositories.add(this.service.notes);
          await this.scoped.save({ text: 'scoped' });
          await this.service.notes.save({ text: 'singleton' });
          throw new Error('no more');
        }
      }
      const test = await startApp({
        imports: [
          typeOrmRoot(main),
          TypeOrmModule.forFeature([Note]),
          ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
        ],
        providers: [Service, Worker],
      });
      await test.registry.run('Worker.work');
      await test.registry.run('Worker.work');

      expect(repositories.size).toBe(1);
      const { notes } = test.app.get(Service);
      expect([...repositories]).toEqual([notes]);
      expect(notes.manager).toBe(dataSourceOf(test).manager);
      expect(dataSourceOf(test).isInitialized).toBe(true);
      expect(await committed(main)).toEqual(['singleton', 'singleton']);
      expect(await notes.count()).toBe(2);
    });
  });

  describe('when an entity is a schema', () => {
    it('its repository is injected by the schema', async () => {
      const PlainNote = new EntitySchema<{ id: number; text: string }>({
        name: 'PlainNote',
        tableName: 'notes',
        columns: {
          id: { type: Number, primary: true, generated: true },
          text: { type: 'text' },
        },
      });
      @ScopedWorker()
      class Worker {
        constructor(
          @InjectScopedRepository(PlainNote) private readonly notes: Repository<{ text: string }>,
        ) {}

        @ScopedCron(YEARLY)
        work(): unknown {
          return this.notes.save({ text: 'plain' });
        }
      }
      const { registry } = await startApp({
        imports: [typeOrmRoot(main), ScopedTypeOrmModule.forFeature([PlainNote])],
        providers: [Worker],
      });

      expect((await registry.run('Worker.work')).error).toBeUndefined();
      expect(await committed(main)).toEqual(['plain']);
    });
  });

  it('has one repository token for a class and the schema that maps it', () => {
    class Mapped {}
    const schema = new EntitySchema({ name: 'Mapped', target: Mapped, columns: {} });
    const other = new EntitySchema({ name: 'Mapped', columns: {} });
    class Options {
      static readonly options = { target: Mapped };
    }
    expect(getScopedRepositoryToken(schema)).toBe(getScopedRepositoryToken(Mapped));
    expect(getScopedRepositoryToken(other)).not.toBe(getScopedRepositoryToken(Mapped));
    expect(getScopedRepositoryToken(Options)).not.toBe(getScopedRepositoryToken(Mapped));
  });

  it('creates two repository tokens for two classes of one name', () => {
    const first = getScopedRepositoryToken(class Twin {});
    const second = getScopedRepositoryToken(class Twin {});
    expect(first).not.toBe(second);
    expect(getScopedRepositoryToken(Note)).toBe(getScopedRepositoryToken(Note, 'default'));
    expect(getScopedRepositoryToken(Note)).not.toBe(getScopedRepositoryToken(Note, 'archive'));
  });

  it.each([
    ['without a driver', undefined],
    ['whose driver is null', null],
    ['whose driver is empty', {}],
    [
      'whose driver creates nothing',
      { options: { type: 'postgres' }, createQueryRunner: (): void => undefined },
    ],
  ])('may be a test double %s whose methods return no promises', async (_, driver) => {
    const double = {
      driver,
      options: { type: 'postgres' },
      createQueryRunner: () => {
        const nothing = (): void => undefined;
        const manager = {
          query: () => ['from the double'],
          transaction: nothing,
          getRepository: nothing,
          getTreeRepository: nothing,
          withRepository: nothing,
        };
        const connection = { connect: nothing, release: nothing, isReleased: false };
        return {
          ...connection,
          query: nothing,
          stream: nothing,
          startTransaction: nothing,
          manager,
        };
      },
    };
    @Global()
    @Module({
      providers: [{ provide: getDataSourceToken(), useValue: double }],
      exports: [getDataSourceToken()],
    })
    class Doubles {}
    @ScopedWorker()
    class Worker {
      constructor(@InjectScopedEntityManager() private readonly manager: EntityManager) {}

      @ScopedCron(YEARLY, { name: 'ask' })
      ask(): Promise<unknown> {
        return this.manager.query('SELECT 1');
      }
    }
    const { registry } = await startApp({
      imports: [Doubles, ScopedTypeOrmModule.forFeature([])],
      providers: [Worker],
    });

    expect(await registry.run('ask')).toMatchObject({
      outcome: 'succeeded',
      value: ['from the double'],
    });
  });

  describe('when ScopedWorkerModule is not imported', () => {
    const WARNING =
      'The application imports ScopedTypeOrmModule, but not ScopedWorkerModule, so no @ScopedWorker() or BackgroundWorker runs. Import ScopedWorkerModule.forRoot() in the root module. If this process must not run any jobs, set defaults: { disabled: true } there.';
    const features = () => [
      typeOrmRoot(main),
      ScopedTypeOrmModule.forFeature([Note]),
      ScopedTypeOrmModule.forFeature([], { transaction: true }),
    ];

    it('start-up warns once, because nothing runs', async () => {
      const log = new RecordingLogger();
      const app = await Test.createTestingModule({ imports: features() }).setLogger(log).compile();
      await app.init();
      expect(log.of('warn')).toEqual([WARNING]);
      await app.close();
    });

    it('and with it, start-up does not warn', async () => {
      const { log } = await startApp({ imports: features() });
      expect(log.of('warn')).toEqual([]);
    });
  });

  describe('when it cannot be', () => {
    const startUp = async (options: ScopedTypeOrmOptions): Promise<unknown> => {
      const test = await compileApp({
        imports: [typeOrmRoot(main), ScopedTypeOrmModule.forFeature([], options)],
      });
      return test.app.init().then(
        () => undefined,
        (error: unknown) => error,
      );
    };

    it('an unknown name stops start-up, and says what to import', async () => {
      const error = (await startUp({ dataSource: 'archive' })) as Error;
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.message).toContain(
        `ScopedTypeOrmModule.forFeature(): the application has no data source named "archive". Import TypeOrmModule.forRoot({ name: 'archive', ... }), or correct { dataSource }.`,
      );
    });

    it('a known one starts', async () => {
      expect(await startUp({ dataSource: 'default' })).toBeUndefined();
    });

    it('an application without any is refused, and the error says so', async () => {
      const error = await compileApp({ imports: [ScopedTypeOrmModule.forFeature()] })
        .then(({ app }) => app.init())
        .catch((thrown: unknown) => thrown as Error);
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect((error as Error).message).toContain(
        'ScopedTypeOrmModule.forFeature(): the application has no default data source. Import TypeOrmModule.forRoot(), or name another with { dataSource }.',
      );
    });

    it('an entity that the data source does not know stops start-up, and the error says where to add it', async () => {
      class Unknown {}
      const start = (...entities: Type[]) =>
        startApp({
          imports: [
            typeOrmRoot(main, { autoLoadEntities: false, entities: [Note] }),
            ScopedTypeOrmModule.forFeature(entities),
          ],
        });
      await expect(start(Note, Unknown)).rejects.toThrow(
        new InvalidOptionsError([
          'ScopedTypeOrmModule.forFeature(): the data source "default" has no entity Unknown. Add it to the entities in the options of the data source, or set autoLoadEntities: true there.',
        ]),
      );
      const { log } = await start(Note);
      expect(log.of('error')).toEqual([]);
    });

    it('an entity that the data source does not know is accepted if a test replaces its repository', async () => {
      class Unknown {}
      const fake = {};
      const { scopes } = await startApp({
        imports: [
          typeOrmRoot(main, { autoLoadEntities: false, entities: [Note] }),
          ScopedTypeOrmModule.forFeature([Note, Unknown]),
        ],
        build: (builder) =>
          builder.overrideProvider(getScopedRepositoryToken(Unknown)).useValue(fake),
      });
      const resolved = await scopes.run((scope) =>
        scope.resolve(getScopedRepositoryToken(Unknown)),
      );
      expect(resolved).toBe(fake);
    });

    it.each([[[true, false]], [[false, true]]])(
      '[C13] a module that imports an entity with and without a transaction is refused: %j',
      async (each) => {
        @Module({
          imports: each.map((transaction) =>
            ScopedTypeOrmModule.forFeature([Note], { transaction }),
          ),
        })
        class NoteModule {}
        const error = await compileApp({ imports: [typeOrmRoot(main), NoteModule] })
          .then(({ app }) => app.init())
          .catch((thrown: unknown) => thrown as Error);
        expect(error).toBeInstanceOf(InvalidOptionsError);
        expect((error as Error).message).toBe(
          'NoteModule imports ScopedTypeOrmModule.forFeature() for Note with { transaction: true } and without it. Nest injects only one of the two repositories. Remove Note from one of the imports.',
        );
      },
    );

    it('[XD1] one worker in a module with a transaction and in one without needs two names', async () => {
      @Injectable()
      class Notes {
        constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
      }
      @ScopedWorker()
      class Writer {
        constructor(readonly notes: Notes) {}

        @ScopedCron(YEARLY)
        run(): void {}
      }
      const moduleOf = (transaction: boolean): Type => {
        @Module({
          imports: [ScopedTypeOrmModule.forFeature([Note], { transaction })],
          providers: [Notes, Writer],
        })
        class NoteModule {}
        return NoteModule;
      };
      const start = (...each: boolean[]): Promise<TestApp> =>
        startApp({ imports: [typeOrmRoot(main), ...each.map(moduleOf)] });
      await expect(start(true, false)).rejects.toThrow(
        'NoteModule and NoteModule provide Writer with different dependencies (transaction of data source default), so each of these workers has to run. Provide Writer in one module only, or set the same options for its repositories in each ScopedTypeOrmModule.forFeature().',
      );
      const { registry } = await start(true, true);
      expect(registry.list().map(({ name }) => name)).toEqual(['Writer.run']);
    });

    it('[C13] a module may import an entity twice with the same option, and of two data sources', async () => {
      @Module({
        imports: [
          ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
          ScopedTypeOrmModule.forFeature([Note], { transaction: true }),
          ScopedTypeOrmModule.forFeature([Note], { dataSource: 'archive' }),
        ],
      })
      class NoteModule {}
      const { app } = await startApp({
        imports: [typeOrmRoot(main), typeOrmRoot(archive, { name: 'archive' }), NoteModule],
      });
      expect(app.get(NoteModule)).toBeInstanceOf(NoteModule);
    });

    it('[XC12] a scoped repository that no module imports is refused with the name of the module', async () => {
      @Injectable()
      class Notes {
        constructor(@InjectScopedRepository(Note) readonly notes: Repository<Note>) {}
      }
      const error = await compileApp({
        imports: [typeOrmRoot(main), TypeOrmModule.forFeature([Note])],
        providers: [Notes],
      }).catch((thrown: unknown) => thrown as Error);
      expect((error as Error).message).toContain(
        'Symbol(scoped Repository of Note (default), from ScopedTypeOrmModule.forFeature())',
      );
    });

    it.each([
      [[], { dataSource: '' }, 'dataSource must be a string: the name of a data source'],
      [[], { dataSource: 1 }, 'dataSource must be a string: the name of a data source'],
      [[], { transaction: 'yes' }, 'transaction must be true or false'],
      [[], { transactions: true }, "transactions isn't an option; use transaction instead"],
      [[], 5, 'options must be an object such as { dataSource }, not 5'],
      [[], null, 'options must be an object such as { dataSource }, not null'],
      [[5], {}, 'an entity must be a class, an EntitySchema or its name, not 5'],
      [Note, {}, 'the first argument must be an array of entities'],
      [[undefined], {}, 'one of the entities is undefined. Look for a circular import'],
    ])('bad options are refused at once: %j %j', (entities, options, problem) => {
      const call = () => ScopedTypeOrmModule.forFeature(entities as never, options as never);
      expect(call).toThrow(InvalidOptionsError);
      expect(call).toThrow(`ScopedTypeOrmModule.forFeature(): ${problem}.`);
    });

    it('an entity that a circular import has left undefined is refused by the decorator too', () => {
      const entity = undefined as unknown as typeof Note;
      const problem = 'the entity is undefined. Look for a circular import.';
      expect(() => InjectScopedRepository(entity)).toThrow(`@InjectScopedRepository(): ${problem}`);
      expect(() => getScopedRepositoryToken(entity)).toThrow(
        `getScopedRepositoryToken(): ${problem}`,
      );
    });

    it('all bad options are reported together', () => {
      const call = () =>
        ScopedTypeOrmModule.forFeature([], { dataSource: 1, transaction: 1 } as never);
      expect(call).toThrow(/dataSource must be[^]*transaction must be/);
    });
  });
});
