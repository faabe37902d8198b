import { contexts } from '../scope/work-context.js';
import { onAbort } from '../util/on-abort.js';
import type { SqliteConnection } from './sqlite-driver.js';

export interface PooledConnection {
  readonly connection: SqliteConnection;
  /** Prepared statements from better-sqlite3. Each belongs to one connection. */
  readonly statements: Map<string, unknown>;
}

export interface ConnectionOpener {
  connect(): Promise<SqliteConnection>;
  disconnect(connection: SqliteConnection): Promise<void>;
  /** Returns true if the calling code is part of work that other scopes wait for while they hold connections. */
  isWaitedFor(): boolean;
}

/** The maximum number of concurrent connections for scopes, as in `pg`'s pool. */
export const LARGEST_POOL = 10;

interface Waiter {
  readonly scope: unknown;
  /** Stops listening to the signal of the scope. */
  readonly unfollow: (() => void) | undefined;
  resolve(taken: PooledConnection): void;
  reject(error: unknown): void;
}

/**
 * Opens connections for scopes when they need them. A scope never waits inside another scope that has a connection, or inside the
 * transaction that others wait for, because neither could end during the wait. If necessary, the inner scope gets a connection
 * beyond the maximum.
 */
export class ConnectionPool {
  readonly #idle: PooledConnection[] = [];
  /** Maps each taken connection to its scope. */
  readonly #taken = new Map<PooledConnection, unknown>();
  #waiting: Waiter[] = [];
  #opening = 0;
  /** The number of `close()` calls: if a connection was requested before such a call, the pool closes it when it arrives. */
  #closings = 0;

  constructor(private readonly opener: ConnectionOpener) {}

  /** The number of connections, including those that are being opened. */
  get size(): number {
    return this.#idle.length + this.#taken.size + this.#opening;
  }

  /**
   * Takes an idle connection, opens one, or waits for one.
   *
   * @param scope the scope that takes the connection.
   * @param signal when aborted, ends the wait for a connection.
   */
  async take(scope: unknown, signal?: AbortSignal): Promise<PooledConnection> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return this.assign(idle, scope);
    const hasRoom = this.size < LARGEST_POOL;
    if (hasRoom || this.opener.isWaitedFor() || this.isInsideOfHolder()) return this.open(scope);
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        waiter.unfollow?.();
        reject(signal?.reason);
      };
      const unfollow = signal && onAbort(signal, leave);
      const waiter: Waiter = { scope, unfollow, resolve, reject };
      this.#waiting.push(waiter);
    });
  }

  /** Returns false for a connection that `close()` has closed. */
  holds(taken: PooledConnection): boolean {
    return this.#taken.has(taken);
  }

  /** Returns a connection to the pool, or closes it if it has an open transaction or is beyond the maximum. */
  async giveBack(taken: PooledConnection, hasTransaction: boolean): Promise<void> {
    if (!this.#taken.delete(taken)) return; // closed meanwhile
    if (hasTransaction || this.size >= LARGEST_POOL) {
      try {
        await this.opener.disconnect(taken.connection);
      } finally {
        this.openForNext();
      }
      return;
    }
    const next = this.nextWaiting();
    if (next === undefined) this.#idle.push(taken);
    else next.resolve(this.assign(taken, next.scope));
  }

  /**
   * Closes all connections, and rejects the requests of all waiting scopes. The pool opens new connections when it is used again.
   */
  async close(): Promise<void> {
    this.#closings += 1;
    let waiter: Waiter | undefined;
    while ((waiter = this.nextWaiting()) !== undefined) waiter.reject(new Error(DESTROYED));
    const all = [...this.#idle.splice(0), ...this.#taken.keys()];
    this.#taken.clear();
    const closed = await Promise.allSettled(
      all.map(({ connection }) => this.opener.disconnect(connection)),
    );
    for (const end of closed) if (end.status === 'rejected') throw end.reason;
  }

  private assign(taken: PooledConnection, scope: unknown): PooledConnection {
    this.#taken.set(taken, scope);
    return taken;
  }

  private async open(scope: unknown): Promise<PooledConnection> {
    const closings = this.#closings;
    this.#opening += 1;
    const opened = this.opener.connect().finally(() => (this.#opening -= 1));
    let connection: SqliteConnection;
    try {
      connection = await opened;
    } catch (error) {
      this.openForNext(); // no scope will return a connection that was not opened
      throw error;
    }
    if (closings === this.#closings)
      return this.assign({ connection, statements: new Map() }, scope);
    await this.opener.disconnect(connection).finally(() => this.openForNext());
    throw new Error(DESTROYED);
  }

  private openForNext(): void {
    const next = this.size < LARGEST_POOL ? this.nextWaiting() : undefined;
    if (next !== undefined) this.open(next.scope).then(next.resolve, next.reject);
  }

  private nextWaiting(): Waiter | undefined {
    const next = this.#waiting.shift();
    next?.unfollow?.();
    return next;
  }

  private isInsideOfHolder(): boolean {
    const holders = new Set(this.#taken.values());
    for (const { owner } of contexts()) if (owner !== undefined && holders.has(owner)) return true;
    return false;
  }
}

const DESTROYED =
  'The data source was destroyed while a scope waited for a connection. Await the work before you call destroy().';
