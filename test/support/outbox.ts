import {
  Column,
  DataSource,
  Entity,
  PrimaryGeneratedColumn,
  type DataSourceOptions,
} from 'typeorm';
import type pg from 'pg';
import type { Delivery, MessageSource } from '../../lib/consumers/source/message-source.js';
import { quietFor } from './gate.js';
import type { TestDatabase } from './postgres.js';

/** The least that an outbox needs. */
@Entity('outbox')
export class OutboxMessage {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  text!: string;

  @Column('timestamptz', { default: () => 'now()' })
  availableAt!: Date;

  @Column('int', { default: 0 })
  deliveries!: number;
}

/** All that an outbox may have. */
@Entity('kept_outbox')
export class KeptMessage {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text')
  text!: string;

  @Column('timestamptz', { default: () => 'now()' })
  availableAt!: Date;

  @Column('int', { default: 0 })
  deliveries!: number;

  @Column('timestamptz', { nullable: true })
  deadAt!: Date | null;

  @Column('timestamptz', { nullable: true })
  deliveredAt!: Date | null;

  @Column('text', { nullable: true })
  lastError!: string | null;
}

/** Far longer than a test: what happens in time does not happen by polling. */
export const NEVER_MS = 1_000_000_000;

export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

const opened = new Set<DataSource>();
const readers = new Set<Reader<unknown>>();

/** An initialized data source with tables; `closeOutboxes` destroys it. */
export async function openDataSource(
  { url }: TestDatabase,
  entities: PostgresOptions['entities'] & object = [OutboxMessage, KeptMessage],
  options: Partial<PostgresOptions> = {},
): Promise<DataSource> {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    entities,
    synchronize: true,
    poolSize: 5,
    ...options,
  });
  opened.add(dataSource);
  return dataSource.initialize();
}

/** One iteration of a source. */
export interface Reader<T> {
  /** The next delivery; rejects when the iteration ends or throws. */
  next(): Promise<Delivery<T>>;
  /** The end of the iteration. */
  ended(): Promise<void>;
  abort(): void;
}

export function reader<T>(source: MessageSource<T>): Reader<T> {
  const stopping = new AbortController();
  const iterator = source.read(stopping.signal)[Symbol.asyncIterator]();
  const made: Reader<T> = {
    next: async () => {
      const result = await iterator.next();
      if (result.done === true) throw new Error('The iteration has ended.');
      return result.value;
    },
    ended: async () => {
      const { done, value } = await iterator.next();
      if (done !== true) throw new Error(`Message ${(value as Delivery).id} came after all.`);
    },
    abort: () => stopping.abort(),
  };
  readers.add(made);
  return made;
}

/** For `afterEach`: ends what was read, and fails when a connection is still taken after that. */
export async function closeOutboxes(): Promise<void> {
  const dataSources = [...opened].filter(({ isInitialized }) => isInitialized);
  for (const { abort } of readers) abort();
  readers.clear();
  opened.clear();
  try {
    for (const dataSource of dataSources) {
      await eventually('the pool is idle', () => isIdle(poolOf(dataSource)));
    }
  } finally {
    for (const dataSource of dataSources) await dataSource.destroy();
  }
}

export function poolOf(dataSource: DataSource): pg.Pool {
  return (dataSource.driver as unknown as { master: pg.Pool }).master;
}

export function isIdle(pool: pg.Pool): boolean {
  return pool.totalCount === pool.idleCount && pool.waitingCount === 0;
}

/** The server processes of the sessions that listen. */
export async function listeners(database: TestDatabase): Promise<number[]> {
  const rows = await database.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'LISTEN %' AND state = 'idle'`,
  );
  return rows.map(({ pid }) => pid);
}

/** Polls until something has happened that no event reports. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { withinMs = 90_000, everyMs = 10 } = {},
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`It never came to pass that ${what}.`);
    await quietFor(everyMs);
  }
}
