import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Driver, QueryRunner } from 'typeorm';

/** A connection of better-sqlite3, or of sqlite3, which does not say whether a transaction is open. */
export interface SqliteConnection {
  readonly inTransaction?: boolean;
}

/** What TypeORM's drivers for SQLite files have besides what every driver has. */
export interface SqliteDriver extends Driver {
  readonly options: Driver['options'] & {
    readonly database?: unknown;
    readonly readonly?: boolean;
    readonly busyTimeout?: number;
  };
  databaseConnection: SqliteConnection;
  /** The one query runner, which `createQueryRunner()` returns each time. */
  queryRunner: QueryRunner | undefined;
  readonly attachedDatabases?: Readonly<
    Record<string, { readonly attachFilepathAbsolute: string; readonly attachHandle: string }>
  >;
  createDatabaseConnection(): Promise<SqliteConnection>;
}

/** Drivers that can open a file more than once. `sqlite` is sqlite3, of TypeORM 0.3 only. */
export const FILE_DRIVERS: readonly string[] = ['better-sqlite3', 'sqlite'];

/** How long SQLite waits for other processes when the application does not say, in milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/** Returns the path of the database; undefined in memory, and for a temporary file, which each connection has for itself. */
export function fileOf({ options }: SqliteDriver): string | undefined {
  const { database } = options;
  if (typeof database !== 'string' || database.trim() === '') return undefined;
  if (/:memory:|[?&]mode=memory/.test(database)) return undefined;
  const path = resolve(database);
  try {
    return realpathSync(path);
  } catch {
    return path; // not created yet
  }
}

/** Copies of a driver that differ in their connection and in nothing else: its options, metadata and logger are the same. */
export class DriverCopies {
  readonly #createQueryRunner: Driver['createQueryRunner'];

  constructor(readonly driver: SqliteDriver) {
    this.#createQueryRunner = driver.createQueryRunner;
  }

  /** A query runner on the connection of the application, or on another one. */
  runner(mode: 'master' | 'slave', connection?: SqliteConnection): QueryRunner {
    const copy = Object.create(this.driver) as SqliteDriver;
    copy.queryRunner = undefined; // it would be returned
    if (connection !== undefined) copy.databaseConnection = connection;
    return this.#createQueryRunner.call(copy, mode);
  }

  /** Opens a further connection, as the driver opened the first one: key, `prepareDatabase`, foreign keys, attached databases. */
  async connect(): Promise<SqliteConnection> {
    const { driver } = this;
    const connection = await driver.createDatabaseConnection();
    try {
      const runner = this.runner('master', connection);
      if (!('inTransaction' in connection) && driver.options.busyTimeout === undefined) {
        await runner.query(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      }
      for (const { attachFilepathAbsolute, attachHandle } of Object.values(
        driver.attachedDatabases ?? {},
      )) {
        await runner.query(`ATTACH "${attachFilepathAbsolute}" AS "${attachHandle}"`);
      }
      return connection;
    } catch (error) {
      await this.disconnect(connection);
      throw error;
    }
  }

  async disconnect(connection: SqliteConnection): Promise<void> {
    const copy = Object.create(this.driver) as SqliteDriver;
    copy.databaseConnection = connection;
    // Of the prototype: on the driver itself it closes what belongs to the library, too.
    await (Object.getPrototypeOf(this.driver) as SqliteDriver).disconnect.call(copy);
  }
}
