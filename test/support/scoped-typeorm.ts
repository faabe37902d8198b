import type { DynamicModule, Type } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import pg from 'pg';
import {
  Column,
  Entity,
  PrimaryGeneratedColumn,
  type DataSource,
  type DataSourceOptions,
} from 'typeorm';

import type { TestApp } from './app.js';
import type { TestDatabase } from './postgres.js';

@Entity('notes')
export class Note {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  text!: string;
}

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }> & {
  readonly name: string;
  readonly autoLoadEntities: boolean;
};

/** The data source of a test, with at most five connections. */
export function typeOrmRoot(
  { url }: TestDatabase,
  options: Partial<PostgresOptions> = {},
): DynamicModule {
  return TypeOrmModule.forRoot({
    type: 'postgres',
    url,
    autoLoadEntities: true,
    synchronize: true,
    poolSize: 5,
    retryAttempts: 0,
    ...options,
  });
}

export function dataSourceOf({ app }: TestApp, name?: string): DataSource {
  return app.get<DataSource>(getDataSourceToken(name) as Type<DataSource>);
}

/** For `driver` of the options: `pg` before 8.21, whose clients don't report whether a transaction is open. */
export const silentPg = pgWith(undefined);

/** For `driver` of the options: `pg.native` from 8.21 on, with `pg-native` before 3.8. */
export const throwingPg = pgWith(() => {
  throw new TypeError('this.native.getTransactionStatus is not a function');
});

function pgWith(getTransactionStatus: (() => never) | undefined): object {
  class Client extends pg.Client {}
  Object.assign(Client.prototype, { getTransactionStatus });
  class Pool extends pg.Pool {
    constructor(options: pg.PoolConfig) {
      super({ ...options, Client } as pg.PoolConfig);
    }
  }
  return { ...pg, Pool };
}

/** The pool of `pg` behind a data source. */
export function poolOf(test: TestApp, name?: string): pg.Pool {
  return (dataSourceOf(test, name).driver as unknown as { master: pg.Pool }).master;
}

/**
 * Closes the connections that the making of the tables has left in the pool.
 */
export async function emptyPool(pool: pg.Pool): Promise<void> {
  const clients = await Promise.all(Array.from({ length: pool.totalCount }, () => pool.connect()));
  for (const client of clients) client.release(true);
}

/** The texts of all notes that are committed, sorted. */
export async function committed(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ text: string }>('SELECT text FROM notes ORDER BY text');
  return rows.map(({ text }) => text);
}

/** Sessions of the database that have a transaction open and do nothing in it. */
export async function idleInTransaction(database: TestDatabase): Promise<number> {
  const rows = await database.query<{ count: number }>(
    `SELECT count(*)::int FROM pg_stat_activity
     WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
  );
  return rows[0]!.count;
}

/** For `afterEach`: fails when a connection is still taken, or waits in the pool with a transaction open. */
export async function checkNothingKept(pool: pg.Pool, database: TestDatabase): Promise<void> {
  const kept = pool.totalCount - pool.idleCount;
  const open = await idleInTransaction(database);
  if (kept > 0 || open > 0) {
    throw new Error(`The test left ${kept} connections taken and ${open} transactions open.`);
  }
}

/** Rejects when the signal is aborted: a handler that waits and heeds its signal. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
