import type { DataSource } from 'typeorm';
import type { DriverCopies, SqliteConnection, SqliteDriver } from './sqlite-driver.js';
import { mayWrite } from './sqlite-statements.js';
import type { WriteLock } from './write-lock.js';

/** A connection for one statement. */
export interface ConnectionUse {
  /** Undefined for the application's own. */
  readonly connection: SqliteConnection | undefined;
  /** Prepared statements of better-sqlite3, which belong to a connection. */
  readonly statements: Map<string, unknown>;
  end(): void;
}

/** A query runner that may have a transaction open. */
interface Owner {
  /** Ends the transaction for the others that wait for it, because its connection was closed. */
  forget(): void;
}

const NOTHING = (): void => undefined;

/**
 * The connection of the application's data source, which its query runners share. One transaction at a time has exclusive use
 * of it; meanwhile, other query runners read on a second connection.
 */
export class AppConnection<Runner extends Owner> {
  /** For a transaction that was begun with a statement, and not by a query runner. */
  unowned: Runner | undefined;
  #owner: Runner | undefined;
  #statements = new Map<string, unknown>();
  #second: Promise<SqliteConnection> | undefined;
  #secondStatements = new Map<string, unknown>();
  #reads = 0;
  #afterReads: (() => void) | undefined;

  constructor(
    readonly dataSource: DataSource,
    readonly lock: WriteLock,
    private readonly copies: DriverCopies,
  ) {}

  get driver(): SqliteDriver {
    return this.copies.driver;
  }

  async use(runner: Runner, statement: string): Promise<ConnectionUse> {
    const statements = this.#statements;
    if (this.#owner === runner || mayWrite(statement)) {
      return { connection: undefined, statements, end: NOTHING };
    }
    if (this.#owner !== undefined) {
      const connection = await (this.#second ??= this.connectAgain());
      return { connection, statements: this.#secondStatements, end: NOTHING };
    }
    this.#reads += 1;
    return { connection: undefined, statements, end: () => this.endRead() };
  }

  /** Assigns the connection to a transaction, once the statements that read on it have ended. */
  async takeFor(runner: Runner): Promise<void> {
    this.#owner = runner;
    if (this.#reads > 0) await new Promise<void>((resolve) => (this.#afterReads = resolve));
  }

  leaveTo(runner: Runner): void {
    if (this.#owner === runner) this.#owner = undefined;
    if (this.unowned === runner) this.unowned = undefined;
  }

  /** Closes the second connection. */
  async close(): Promise<void> {
    const second = this.#second;
    this.#second = undefined;
    this.#secondStatements = new Map();
    const connection = await second?.catch(() => undefined); // the statement rejects with that error
    if (connection !== undefined) await this.copies.disconnect(connection);
  }

  /** Forgets the first connection, which the data source has closed. */
  forget(): void {
    this.#statements = new Map();
    this.#owner?.forget();
  }

  private async connectAgain(): Promise<SqliteConnection> {
    try {
      return await this.copies.connect();
    } catch (error) {
      this.#second = undefined;
      throw error;
    }
  }

  private endRead(): void {
    this.#reads -= 1;
    if (this.#reads === 0) this.#afterReads?.();
  }
}
