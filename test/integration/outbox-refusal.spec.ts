import { Module, type INestApplicationContext } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { Test } from '@nestjs/testing';
import { DataSource, EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';
import { InvalidOptionsError } from '../../lib/errors/errors.js';
import type { MessageSource } from '../../lib/consumers/source/message-source.js';
import { outboxSource, type OutboxSourceOptions } from '../../lib/typeorm/index.js';
import { closeOutboxes, openDataSource, OutboxMessage, reader } from '../support/outbox.js';
import { testDatabase } from '../support/postgres.js';

type Columns = Record<string, EntitySchemaColumnOptions>;

const GOOD: Columns = {
  id: { type: 'int', primary: true, generated: true },
  availableAt: { type: 'timestamptz', default: () => 'now()' },
  deliveries: { type: 'int', default: 0 },
};

describe('outboxSource', () => {
  const database = testDatabase();
  afterEach(closeOutboxes);

  const problemsOf = (make: () => unknown): readonly string[] => {
    try {
      make();
    } catch (error) {
      if (error instanceof InvalidOptionsError) return error.problems;
      throw error;
    }
    return [];
  };

  describe('when the columns', () => {
    const problemsWith = async (columns: Columns): Promise<readonly string[]> => {
      const entity = new EntitySchema({ name: 'Message', columns });
      const dataSource = await openDataSource(database, [entity], { synchronize: false });
      return problemsOf(() => outboxSource(entity, dataSource));
    };
    const without = (name: string): Columns =>
      Object.fromEntries(Object.entries(GOOD).filter(([key]) => key !== name));

    it.each<[string, Columns]>([
      ['are the needed ones', GOOD],
      [
        'hold all optional ones',
        {
          ...GOOD,
          deadAt: { type: 'timestamptz', nullable: true },
          deliveredAt: { type: 'timestamp with time zone', nullable: true },
          lastError: { type: 'text', nullable: true },
        },
      ],
      [
        'have other names in the database',
        {
          ...GOOD,
          deliveries: { type: 'smallint', name: 'tries' },
          lastError: { type: 'varchar', length: 100, nullable: true },
        },
      ],
      ['hold a primary uuid', { ...GOOD, id: { type: 'uuid', primary: true } }],
      ['hold a bigint', { ...GOOD, deliveries: { type: 'bigint', default: 0 } }],
    ])('%s, takes them', async (_, columns) => {
      expect(await problemsWith(columns)).toEqual([]);
    });

    it.each<[string, Columns, string]>([
      [
        'have no availableAt',
        without('availableAt'),
        `it has no column "availableAt". Write @Column('timestamptz', { default: () => 'now()' }) availableAt!: Date.`,
      ],
      [
        'have no deliveries',
        without('deliveries'),
        `it has no column "deliveries". Write @Column('int', { default: 0 }) deliveries!: number.`,
      ],
      [
        'hold a time without a zone',
        { ...GOOD, availableAt: { type: 'timestamp' } },
        `"availableAt" must be of type timestamp with time zone, not timestamp without time zone. Write @Column('timestamptz', { default: () => 'now()' }) availableAt!: Date.`,
      ],
      [
        'hold deliveries as text',
        { ...GOOD, deliveries: { type: 'text' } },
        `"deliveries" must be of type integer, not text. Write @Column('int', { default: 0 }) deliveries!: number.`,
      ],
      [
        'hold deliveries as an array',
        { ...GOOD, deliveries: { type: 'int', array: true } },
        `"deliveries" must be of type integer, not an array of integer. Write @Column('int', { default: 0 }) deliveries!: number.`,
      ],
      [
        'hold an availableAt that may be null',
        { ...GOOD, availableAt: { type: 'timestamptz', nullable: true } },
        `"availableAt" must not be nullable: a row without it would never be delivered. Write @Column('timestamptz', { default: () => 'now()' }) availableAt!: Date.`,
      ],
      [
        'hold a deadAt that must not be null',
        { ...GOOD, deadAt: { type: 'timestamptz' } },
        `"deadAt" must be nullable: it is null until the library sets it. Write @Column('timestamptz', { nullable: true }) deadAt!: Date | null.`,
      ],
      [
        'hold a deliveredAt that is a flag',
        { ...GOOD, deliveredAt: { type: 'boolean', nullable: true } },
        `"deliveredAt" must be of type timestamp with time zone, not boolean. Write @Column('timestamptz', { nullable: true }) deliveredAt!: Date | null.`,
      ],
      [
        'hold a lastError as json',
        { ...GOOD, lastError: { type: 'jsonb', nullable: true } },
        `"lastError" must be of type text, not jsonb. Write @Column('text', { nullable: true }) lastError!: string | null.`,
      ],
      [
        'hold two primary ones',
        { ...GOOD, region: { type: 'text', primary: true } },
        `it must have exactly one primary column, not 2 (id, region). Write @PrimaryGeneratedColumn('uuid') id!: string.`,
      ],
    ])('%s, is refused', async (_, columns, problem) => {
      expect(await problemsWith(columns)).toEqual([`outboxSource(Message): ${problem}`]);
    });

    it('are wrong in several ways, says all of them', async () => {
      const problems = await problemsWith({ id: GOOD['id']!, deadAt: { type: 'timestamptz' } });
      expect(problems).toHaveLength(3);
    });
  });

  describe('when the options', () => {
    it.each<[OutboxSourceOptions]>([
      [{}],
      [{ leaseMs: 100, pollMs: 1, retryDelayMs: 0, listen: false }],
      [{ leaseMs: 2 ** 31 - 1, pollMs: 2 ** 31 - 1, retryDelayMs: () => 5, listen: true }],
      [{ leaseMs: undefined } as never],
    ])('are %j, takes them', async (options) => {
      const dataSource = await openDataSource(database);
      expect(problemsOf(() => outboxSource(OutboxMessage, dataSource, options))).toEqual([]);
    });

    const range = (least: number): string =>
      `must be a number of milliseconds from ${least} to 2147483647 (24.8 days), not`;

    it.each<[unknown, string[]]>([
      [{ leaseMs: 99 }, [`leaseMs ${range(100)} 99`]],
      [{ leaseMs: '1s', pollMs: 0 }, [`leaseMs ${range(100)} "1s"`, `pollMs ${range(1)} 0`]],
      [{ pollMs: Infinity }, [`pollMs ${range(1)} Infinity`]],
      [{ retryDelayMs: -1 }, [`retryDelayMs ${range(0)} -1, or pass a function`]],
      [{ listen: 'yes' }, ['listen must be true or false, not "yes"']],
      [{ leaseMS: 5 }, ["leaseMS isn't an option; use leaseMs instead"]],
      [null, ['the third argument must be an options object, not null']],
      [[], ['the third argument must be an options object, not an array']],
    ])('are %j, is refused', async (options, problems) => {
      const dataSource = await openDataSource(database);
      expect(problemsOf(() => outboxSource(OutboxMessage, dataSource, options as never))).toEqual(
        problems.map((problem) => `outboxSource(OutboxMessage): ${problem}.`),
      );
    });
  });

  describe('when the data source', () => {
    it('and the entity are undefined, refuses both', () => {
      const problems = problemsOf(() => outboxSource(undefined as never, {} as never));
      expect(problems).toEqual([
        'outboxSource(): the entity is undefined. Look for a circular import.',
        'outboxSource(): the second argument must be a TypeORM DataSource. In Nest, inject getDataSourceToken().',
      ]);
    });

    it('is of another database, is refused', () => {
      const dataSource = new DataSource({ type: 'postgres', entities: [OutboxMessage] });
      Object.assign(dataSource.options, { type: 'cockroachdb' });
      expect(problemsOf(() => outboxSource(OutboxMessage, dataSource))).toEqual([
        "outboxSource(OutboxMessage): the data source is of type 'cockroachdb', but an outbox requires 'postgres'.",
      ]);
    });

    it('is of SQLite, is refused', () => {
      const dataSource = new DataSource({ type: 'better-sqlite3', database: ':memory:' });
      expect(problemsOf(() => outboxSource(OutboxMessage, dataSource))).toEqual([
        "outboxSource(OutboxMessage): the data source is of type 'better-sqlite3', but an outbox requires 'postgres'.",
      ]);
    });

    it('does not know the entity, is refused', async () => {
      const dataSource = await openDataSource(database, []);
      expect(problemsOf(() => outboxSource(OutboxMessage, dataSource))).toEqual([
        'outboxSource(OutboxMessage): the data source does not know this entity. Add it to the "entities" of the data source, or import TypeOrmModule.forFeature([OutboxMessage]).',
      ]);
    });

    it.each([{ poolSize: 1 }, { poolSize: 5, extra: { max: 1 } }])(
      'has one connection (%j), is refused unless it only polls',
      async (options) => {
        const dataSource = await openDataSource(database, [OutboxMessage], options);
        expect(problemsOf(() => outboxSource(OutboxMessage, dataSource))).toEqual([
          'outboxSource(OutboxMessage): the pool of the data source has one connection, which listening would occupy. Increase poolSize, or set { listen: false }.',
        ]);
        await dataSource.manager.save(OutboxMessage, { text: 'a' });
        const source = outboxSource(OutboxMessage, dataSource, { listen: false });
        await (await reader(source).next()).ack();
      },
    );

    describe('is not initialized', () => {
      const made = (entity: EntitySchema | typeof OutboxMessage): DataSource =>
        new DataSource({
          type: 'postgres',
          url: database.url,
          entities: [entity],
          synchronize: true,
        });

      it('cannot be read, and can be once it is', async () => {
        const dataSource = made(OutboxMessage);
        const source = outboxSource(OutboxMessage, dataSource);
        expect(source.keepsDeadLetters).toBe(false);
        await expect(reader(source).next()).rejects.toThrow(
          'outboxSource(OutboxMessage): the data source is not initialized, so the outbox cannot be read. Await dataSource.initialize() first.',
        );
        await dataSource.initialize();
        await dataSource.manager.save(OutboxMessage, { text: 'a' });
        const reading = reader(source);
        await (await reading.next()).ack();
        reading.abort();
        await reading.ended();
        await dataSource.destroy();
      });

      it('is refused with the first read when its columns are wrong', async () => {
        const entity = new EntitySchema({ name: 'Message', columns: { id: GOOD['id']! } });
        const dataSource = made(entity);
        const source = outboxSource(entity, dataSource);
        await dataSource.initialize();
        await expect(reader(source).next()).rejects.toBeInstanceOf(InvalidOptionsError);
        await dataSource.destroy();
      });
    });
  });

  describe('as a provider', () => {
    const OUTBOX = Symbol('OUTBOX');

    const start = async (options: OutboxSourceOptions): Promise<INestApplicationContext> => {
      @Module({
        imports: [
          TypeOrmModule.forRoot({
            type: 'postgres',
            url: database.url,
            autoLoadEntities: true,
            synchronize: true,
            retryAttempts: 0,
          }),
          TypeOrmModule.forFeature([OutboxMessage]),
        ],
        providers: [
          {
            provide: OUTBOX,
            inject: [getDataSourceToken()],
            useFactory: (dataSource: DataSource) =>
              outboxSource(OutboxMessage, dataSource, options),
          },
        ],
      })
      class App {}
      return (await Test.createTestingModule({ imports: [App] }).compile()).init();
    };

    it('is made from the data source of @nestjs/typeorm', async () => {
      const app = await start({});
      const dataSource = app.get<DataSource>(getDataSourceToken() as never);
      await dataSource.manager.save(OutboxMessage, { text: 'a' });
      const reading = reader(app.get<MessageSource<OutboxMessage>>(OUTBOX));
      const delivery = await reading.next();
      expect(delivery.body.text).toBe('a');
      await delivery.ack();
      reading.abort();
      await reading.ended();
      await app.close();
    });

    it('stops start-up when its options are wrong', async () => {
      await expect(start({ leaseMs: 1 })).rejects.toBeInstanceOf(InvalidOptionsError);
    });
  });
});
