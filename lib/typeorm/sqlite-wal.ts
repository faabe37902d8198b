import { textOf } from '../errors/error-parts.js';
import type { DriverCopies, SqliteConnection } from './sqlite-driver.js';

/**
 * The time in milliseconds during which an unchanged journal mode doesn't yet mean that the file can't use WAL. After a write,
 * SQLite keeps the mode until the transaction ends, and sqlite3 doesn't report whether a transaction is open.
 */
const REFUSED_MS = 1_000;

/** Thrown if a file can't use WAL. The message is the reason. */
export class NoWalError extends Error {}

/** Switches the file of a data source to WAL, in which readers and the writer don't block each other. */
export class WalSwitch {
  /**
   * The time at which SQLite first kept the previous journal mode instead of switching to WAL, as a `performance.now()` timestamp.
   */
  #refusedAt: number | undefined;

  constructor(private readonly copies: DriverCopies) {}

  /**
   * Prepares the file for several connections.
   *
   * @returns false while another connection locks the file, or a transaction is open on the application's connection. Also false
   * if the data source was destroyed meanwhile, because it may be initialized again with another file.
   * @throws {NoWalError} if SQLite can't switch this file to WAL, or can't open another connection to it.
   */
  async prepare(): Promise<boolean> {
    const { databaseConnection } = this.copies.driver;
    const isSame = (): boolean => this.copies.driver.databaseConnection === databaseConnection;
    try {
      if (!(await this.switch())) return false;
      await this.copies.keepCommits(databaseConnection);
      return (await this.tryToConnect()) && isSame();
    } catch (error) {
      if (isSame()) throw error;
      return false;
    }
  }

  /**
   * Switches the file to WAL, on the application's connection.
   *
   * @returns false while another connection locks the file, or a transaction is open on this one.
   * @throws {NoWalError} if SQLite can't switch this file to WAL.
   */
  private async switch(): Promise<boolean> {
    if (this.copies.driver.databaseConnection.open === false) return false; // the data source is being destroyed
    try {
      const mode = await this.requestWal();
      if (mode === 'wal') return true;
      this.#refusedAt ??= performance.now();
      const isOpen = this.copies.driver.databaseConnection.inTransaction;
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
    const { databaseConnection: connection } = this.copies.driver;
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
   * Opens and closes a connection, because `prepareDatabase` may prevent a second connection, for example with
   * `journal_mode = DELETE` or `locking_mode = EXCLUSIVE`.
   *
   * @returns false if `prepareDatabase` writes while another connection locks the file.
   * @throws {NoWalError} if the connection doesn't work.
   */
  private async tryToConnect(): Promise<boolean> {
    const { databaseConnection: app, options } = this.copies.driver;
    if (options.prepareDatabase === undefined) return true;
    const ask = (of: SqliteConnection, pragma: string) => of.pragma?.(pragma, { simple: true });
    if (ask(app, 'locking_mode') === 'exclusive')
      throw new NoWalError('prepareDatabase sets the locking mode to "exclusive"');
    try {
      const connection = await this.copies.connect();
      const mode = ask(connection, 'journal_mode') as string;
      await this.copies.disconnect(connection);
      if (mode === 'wal') return true;
      throw new NoWalError(`prepareDatabase sets the journal mode to "${mode}"`);
    } catch (error) {
      if (error instanceof NoWalError) throw error;
      if (isLocked(error)) return false;
      const reason = `prepareDatabase fails on a second connection: ${textOf(error)}`;
      throw new NoWalError(reason, { cause: error });
    }
  }
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}

/** Returns true if SQLite reports that another connection has locked the file, or that a transaction is open on this one. */
function isLocked(error: unknown): boolean {
  return (
    /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error)) || textOf(error).includes('within a transaction')
  );
}
