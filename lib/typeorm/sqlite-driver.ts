import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { DataSource, Driver, QueryRunner } from 'typeorm';

/** A connection from better-sqlite3 or sqlite3. sqlite3 doesn't report whether a transaction is open. */
export interface SqliteConnection {
  /** False once the connection is closed. */
  readonly open?: boolean;
  readonly inTransaction?: boolean;
  /** Exists in better-sqlite3 only; sqlite3 keeps SQLite's default for `synchronous`, which is `FULL` in every mode. */
  pragma?(text: string, options?: { readonly simple: boolean }): unknown;
  /** Exists only in sqlite3, whose methods take callbacks. */
  all?(sql: string, done: (error: Error | null, rows: unknown[]) => void): void;
}

type Prepare = (connection: SqliteConnection) => unknown;

/** The members that TypeORM's drivers for SQLite files add to those of every driver. */
export interface SqliteDriver extends Driver {
  readonly options: Driver['options'] & {
    readonly database?: unknown;
    readonly readonly?: boolean;
    readonly busyTimeout?: number;
    /** True if the application itself requests WAL. */
    readonly enableWAL?: boolean;
    /** An option for better-sqlite3 only. */
    readonly prepareDatabase?: Prepare;
  };
  databaseConnection: SqliteConnection;
  /** The one query runner, which `createQueryRunner()` returns each time. */
  queryRunner: QueryRunner | undefined;
  readonly attachedDatabases?: Readonly<
    Record<string, { readonly attachFilepathAbsolute: string; readonly attachHandle: string }>
  >;
  createDatabaseConnection(): Promise<SqliteConnection>;
}

/** Drivers that can open a file more than once. `sqlite` is sqlite3, which only TypeORM 0.3 supports. */
export const FILE_DRIVERS: readonly string[] = ['better-sqlite3', 'sqlite'];

/** The default time in milliseconds that a connection waits for other processes. */
const BUSY_TIMEOUT_MS = 5_000;

/** Values of `PRAGMA synchronous`. */
const NORMAL = 1;
const FULL = 2;
const EXTRA = 3;

/**
 * Returns the path of the database file. Returns undefined for a database in memory or in a temporary file: such a database is
 * private to its connection.
 */
export function fileOf({ options }: SqliteDriver): string | undefined {
  const { database } = options;
  if (typeof database !== 'string' || database.trim() === '') return undefined;
  if (/:memory:|[?&]mode=memory/.test(database)) return undefined;
  const path = resolve(database);
  return realPath(path) ?? join(realPath(dirname(path)) ?? dirname(path), basename(path));
}

/** Returns the path without symbolic links; undefined if it doesn't exist yet. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Makes a query runner use this connection or, if it is undefined, the application's connection. Each query runner has its own copy
 * of the driver.
 */
export function useConnection(
  runner: QueryRunner,
  connection: SqliteConnection | undefined,
  statements: Map<string, unknown>,
): void {
  const { driver, stmtCache } = runner as unknown as { driver: SqliteDriver; stmtCache?: unknown };
  if (connection !== undefined) driver.databaseConnection = connection;
  else Reflect.deleteProperty(driver, 'databaseConnection'); // the copy inherits the application's connection
  if (stmtCache !== undefined) Object.assign(runner, { stmtCache: statements });
}

/** Makes copies of a driver that differ only in their connection: options, metadata and logger are the same. */
export class DriverCopies {
  readonly #createQueryRunner: Driver['createQueryRunner'];
  #choosesSynchronous: Promise<boolean> | undefined;

  /** True from the moment when the data source begins to close until it connects again. */
  isClosing = false;

  constructor(
    readonly driver: SqliteDriver,
    private readonly dataSource: DataSource,
  ) {
    this.#createQueryRunner = driver.createQueryRunner;
  }

  /** False while the data source is being destroyed, and until it is initialized again. */
  get isConnected(): boolean {
    return this.dataSource.isInitialized && !this.isClosing;
  }

  /** Returns a query runner on the application's connection, or on another one. */
  runner(mode: 'master' | 'slave', connection?: SqliteConnection): QueryRunner {
    const copy = Object.create(this.driver) as SqliteDriver;
    copy.queryRunner = undefined; // otherwise, `createQueryRunner()` would return the existing one
    if (connection !== undefined) copy.databaseConnection = connection;
    return this.#createQueryRunner.call(copy, mode);
  }

  /**
   * Returns the query runner that all earlier callers of `createQueryRunner()` received and may keep. Like the others, this
   * query runner gets its own copy of the driver.
   */
  adoptRunner(): QueryRunner | undefined {
    const { queryRunner } = this.driver;
    return (
      queryRunner && Object.assign(queryRunner, { driver: Object.create(this.driver) as Driver })
    );
  }

  /**
   * Opens another connection in the same way as the driver opened the first one: with the same key, `prepareDatabase`, foreign keys
   * and attached databases.
   *
   * @throws Error if no code would close the new connection.
   */
  async connect(): Promise<SqliteConnection> {
    this.checkConnected();
    const { driver } = this;
    const connection = await this.open(driver.options.prepareDatabase);
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
      await this.keepCommits(connection);
      return connection;
    } catch (error) {
      await this.disconnect(connection);
      throw error;
    }
  }

  /** Opens a connection, and closes it if `prepare` fails, which TypeORM doesn't do. */
  private async open(prepare: Prepare | undefined): Promise<SqliteConnection> {
    if (prepare === undefined) return this.driver.createDatabaseConnection();
    let opened: SqliteConnection | undefined;
    const prepareDatabase: Prepare = async (connection) => {
      opened = connection;
      await prepare(connection);
    };
    const options = { value: { ...this.driver.options, prepareDatabase } };
    const copy = Object.create(this.driver, { options }) as SqliteDriver;
    try {
      return await copy.createDatabaseConnection();
    } catch (error) {
      if (opened !== undefined) await this.disconnect(opened);
      throw error;
    }
  }

  /**
   * Makes commits survive a power failure, as they did before the library switched the file to WAL. better-sqlite3 is built with
   * `SQLITE_DEFAULT_WAL_SYNCHRONOUS=1`: SQLite then syncs commits only at the next checkpoint. An application that sets `enableWAL`
   * or `synchronous` keeps its choice.
   *
   * Sets the level `FULL` even if SQLite already reports that level. Unless the level has been set, SQLite lowers it the next time
   * it reads the file.
   */
  async keepCommits(connection: SqliteConnection): Promise<void> {
    const { enableWAL, readonly } = this.driver.options;
    if (enableWAL === true || readonly === true) return;
    // The switch to WAL affects attached databases too.
    const databases = connection.pragma?.('database_list') as
      { readonly name: string }[] | undefined;
    const pragmas = (databases ?? [])
      .map(({ name }) => `"${name.replaceAll('"', '""')}".synchronous`)
      .filter((pragma) =>
        [NORMAL, FULL].includes(connection.pragma!(pragma, { simple: true }) as number),
      );
    if (pragmas.length === 0 || (await this.choosesSynchronous())) return;
    for (const pragma of pragmas) connection.pragma!(`${pragma} = FULL`);
  }

  /** Returns true if `prepareDatabase` sets `synchronous`. Checks this once, on a connection that starts with `EXTRA`. */
  private choosesSynchronous(): Promise<boolean> {
    return (this.#choosesSynchronous ??= this.askSynchronous().catch(() => false));
  }

  private async askSynchronous(): Promise<boolean> {
    const { prepareDatabase } = this.driver.options;
    if (prepareDatabase === undefined) return false;
    let level: unknown = EXTRA;
    const connection = await this.open(async (opened) => {
      opened.pragma!('synchronous = EXTRA');
      await prepareDatabase(opened);
      level = opened.pragma!('synchronous', { simple: true });
    });
    await this.disconnect(connection);
    return level !== EXTRA;
  }

  checkConnected(): void {
    if (!this.isConnected) throw new Error(notConnected(String(this.driver.options.database)));
  }

  async disconnect(connection: SqliteConnection): Promise<void> {
    const copy = Object.create(this.driver) as SqliteDriver;
    copy.databaseConnection = connection;
    // Calls the prototype's method, because the driver's own method is patched and closes all the library's connections.
    await (Object.getPrototypeOf(this.driver) as SqliteDriver).disconnect.call(copy);
  }
}

function notConnected(file: string): string {
  return `The data source of ${file} was destroyed, or is not initialized yet, so a scope cannot open a connection. Await the work before you call destroy(), or call initialize() first.`;
}
