import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { DataSource, Driver, QueryRunner } from 'typeorm';
import { textOf } from '../errors/error-parts.js';

/** A connection of better-sqlite3, or of sqlite3, which doesn't report whether a transaction is open. */
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

/** The members that TypeORM's drivers for SQLite files have in addition to those of every driver. */
export interface SqliteDriver extends Driver {
  readonly options: Driver['options'] & {
    readonly database?: unknown;
    readonly readonly?: boolean;
    readonly busyTimeout?: number;
    /** True if the application itself requests WAL. */
    readonly enableWAL?: boolean;
    /** An option of better-sqlite3. */
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

/**
 * The time in milliseconds during which a journal mode that stays doesn't mean that the file can't use WAL. After a write, SQLite keeps
 * the mode until the transaction ends, and sqlite3 doesn't say whether a transaction is open.
 */
const REFUSED_MS = 1_000;

/** Values of `PRAGMA synchronous`. */
const NORMAL = 1;
const FULL = 2;
const EXTRA = 3;

/** Returns the path of the database, or undefined for one in memory or in a temporary file, which is private to its connection. */
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

/** Makes a query runner, which has its own copy of the driver, use a connection: by default, that of the application. */
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
  /** The time at which SQLite first kept another journal mode, as a `performance.now()` timestamp. */
  #refusedAt: number | undefined;

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

  /** Returns a query runner on the connection of the application, or on another one. */
  runner(mode: 'master' | 'slave', connection?: SqliteConnection): QueryRunner {
    const copy = Object.create(this.driver) as SqliteDriver;
    copy.queryRunner = undefined; // otherwise, `createQueryRunner()` would return the existing one
    if (connection !== undefined) copy.databaseConnection = connection;
    return this.#createQueryRunner.call(copy, mode);
  }

  /**
   * Returns the query runner that all earlier callers of `createQueryRunner()` received and may keep. This query runner gets its
   * own copy of the driver, like the others.
   */
  adoptRunner(): QueryRunner | undefined {
    const { queryRunner } = this.driver;
    return (
      queryRunner && Object.assign(queryRunner, { driver: Object.create(this.driver) as Driver })
    );
  }

  /**
   * Opens another connection in the same way as the driver opened the first one: key, `prepareDatabase`, foreign keys, attached
   * databases.
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
   * Switches the file to WAL, on the connection of the application.
   *
   * @returns false while another connection locks the file, or a transaction is open on this one.
   * @throws {NoWalError} if SQLite can't switch this file to WAL.
   */
  async switchToWal(): Promise<boolean> {
    if (this.driver.databaseConnection.open === false) return false; // the data source is being destroyed
    try {
      const mode = await this.requestWal();
      if (mode === 'wal') return true;
      this.#refusedAt ??= performance.now();
      const isOpen = this.driver.databaseConnection.inTransaction;
      if (isOpen === undefined && performance.now() - this.#refusedAt < REFUSED_MS) return false;
      throw new NoWalError(`the journal mode stays "${mode}"`);
    } catch (error) {
      if (isLocked(error)) return false;
      if (codeOf(error).startsWith('SQLITE_'))
        throw new NoWalError(textOf(error), { cause: error });
      throw error;
    }
  }

  private async requestWal(): Promise<string | undefined> {
    const { databaseConnection: connection } = this.driver;
    if (connection.pragma === undefined) {
      // Bypasses TypeORM 0.3, which would repeat the statement endlessly if `busyErrorRetry` is set.
      const [row] = await new Promise<unknown[]>((resolve, reject) =>
        connection.all!('PRAGMA journal_mode = WAL', (error, rows) =>
          error === null ? resolve(rows) : reject(error),
        ),
      );
      return (row as { readonly journal_mode: string } | undefined)?.journal_mode;
    }
    // A busy timeout would block the event loop, and with it the transaction of this process that locks the file.
    const timeoutMs = String(connection.pragma('busy_timeout', { simple: true }));
    connection.pragma('busy_timeout = 0');
    try {
      return connection.pragma('journal_mode = WAL', { simple: true }) as string;
    } finally {
      connection.pragma(`busy_timeout = ${timeoutMs}`);
    }
  }

  /**
   * Makes commits survive a power failure, as they did before the library switched the file to WAL. better-sqlite3 is built with
   * `SQLITE_DEFAULT_WAL_SYNCHRONOUS=1`: SQLite then syncs commits only at the next checkpoint. An application that sets
   * `enableWAL` or `synchronous` keeps its choice.
   *
   * Sets the level `FULL` even if it is reported: unless it is set, SQLite lowers it when it next reads the file.
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

  /**
   * Opens and closes a connection, because `prepareDatabase` may prevent a second one: `journal_mode = DELETE` and
   * `locking_mode = EXCLUSIVE` do.
   *
   * @returns false if `prepareDatabase` writes while another connection locks the file.
   * @throws {NoWalError} if the connection doesn't work.
   */
  async tryToConnect(): Promise<boolean> {
    const { databaseConnection: app, options } = this.driver;
    if (options.prepareDatabase === undefined) return true;
    const ask = (of: SqliteConnection, pragma: string) => of.pragma?.(pragma, { simple: true });
    if (ask(app, 'locking_mode') === 'exclusive')
      throw new NoWalError('prepareDatabase sets the locking mode "exclusive"');
    try {
      const connection = await this.connect();
      const mode = ask(connection, 'journal_mode') as string;
      await this.disconnect(connection);
      if (mode === 'wal') return true;
      throw new NoWalError(`prepareDatabase sets the journal mode "${mode}"`);
    } catch (error) {
      if (error instanceof NoWalError) throw error;
      if (isLocked(error)) return false;
      const reason = `prepareDatabase fails on a second connection: ${textOf(error)}`;
      throw new NoWalError(reason, { cause: error });
    }
  }

  checkConnected(): void {
    if (!this.isConnected) throw new Error(notConnected(String(this.driver.options.database)));
  }

  async disconnect(connection: SqliteConnection): Promise<void> {
    const copy = Object.create(this.driver) as SqliteDriver;
    copy.databaseConnection = connection;
    // Calls the method of the prototype, because the driver's own method is patched and closes all connections of the library.
    await (Object.getPrototypeOf(this.driver) as SqliteDriver).disconnect.call(copy);
  }
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}

/** Returns true if SQLite answers that another connection locks the file, or that a transaction is open on this one. */
function isLocked(error: unknown): boolean {
  return (
    /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error)) || textOf(error).includes('within a transaction')
  );
}

/** Thrown if a file can't use WAL. The message is the reason. */
export class NoWalError extends Error {}

function notConnected(file: string): string {
  return `The data source of ${file} was destroyed, or is not initialized yet, so a scope cannot open a connection. Await the work before you call destroy(), or call initialize() first.`;
}
