import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource } from 'typeorm';
import { Latch } from '../util/latch.js';
import type { DriverCopies, SqliteConnection, SqliteDriver } from './sqlite-driver.js';
import { mayWrite } from './sqlite-statements.js';
import type { WriteLock } from './sqlite-write-lock.js';

/** A connection for one statement. */
export interface ConnectionUse {
  /** Undefined for the application's connection. */
  readonly connection: SqliteConnection | undefined;
  /** Prepared statements from better-sqlite3. Each belongs to one connection. */
  readonly statements: Map<string, unknown>;
  /** Sends the statement. */
  run<T>(send: () => Promise<T>): Promise<T>;
}

/** The reads that the calling code, such as a subscriber, is part of. Each read is a latch that opens when the read ends. */
const reading = new AsyncLocalStorage<readonly Latch[]>();

/**
 * Stops transactions from waiting for the reads in the current async context. Otherwise, the reads and the transactions could
 * deadlock: the calling code is about to write, and may have to wait for one of the transactions to end.
 */
export function leaveReads(): void {
  for (const read of reading.getStore() ?? []) read.open();
}

/** A query runner that may have a transaction open. */
interface Owner {
  /** Forgets the transaction after its connection was closed, so that no code keeps waiting for the transaction. */
  forget(): void;
}

const RUN: ConnectionUse['run'] = (send) => send();

/**
 * The connection that all query runners of the application's data source share. One transaction at a time has exclusive use of
 * it; in the meantime, other query runners read on a second connection.
 */
export class AppConnection<Runner extends Owner> {
  /** The query runner of a transaction that a statement began, such as `dataSource.query('BEGIN')`. */
  unowned: Runner | undefined;
  #owner: Runner | undefined;
  #statements = new Map<string, unknown>();
  #second: Promise<SqliteConnection> | undefined;
  #secondStatements = new Map<string, unknown>();
  /** The statements that are reading on this connection. */
  readonly #reads = new Set<Latch>();

  constructor(
    readonly dataSource: DataSource,
    readonly lock: WriteLock,
    private readonly copies: DriverCopies,
  ) {}

  get driver(): SqliteDriver {
    return this.copies.driver;
  }

  /** False while the data source is being destroyed, and until it is initialized again. */
  get isConnected(): boolean {
    return this.copies.isConnected;
  }

  async use(runner: Runner, statement: string): Promise<ConnectionUse> {
    const statements = this.#statements;
    if (this.#owner === runner || mayWrite(statement)) {
      return { connection: undefined, statements, run: RUN };
    }
    if (this.#owner !== undefined) {
      const connection = await (this.#second ??= this.connectAgain());
      return { connection, statements: this.#secondStatements, run: RUN };
    }
    return { connection: undefined, statements, run: this.beginRead() };
  }

  /** Assigns the connection to a transaction, and then waits until the statements that are reading on the connection have ended. */
  async takeFor(runner: Runner): Promise<void> {
    this.#owner = runner;
    leaveReads();
    await Promise.all(Array.from(this.#reads, ({ opened }) => opened));
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
    const connection = await second?.catch(() => undefined); // the statement that needed it rejects with the error
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

  private beginRead(): ConnectionUse['run'] {
    const read = new Latch();
    this.#reads.add(read);
    const outer = (reading.getStore() ?? []).filter(({ isOpen }) => !isOpen);
    return async (send) => {
      try {
        return await reading.run([read, ...outer], send);
      } finally {
        read.open();
        this.#reads.delete(read);
      }
    };
  }
}
