import type { DataSource, QueryRunner } from 'typeorm';
import { TickTimeoutError } from '../errors/errors.js';
import { isErrorOf } from '../errors/error-parts.js';
import { isInsideEnd, scopeAround, scopeOfBuild, type ScopeNotice } from '../scope/scope-ports.js';
import type { ConnectionPool, PooledConnection } from './sqlite-pool.js';
import { useConnection, type SqliteConnection } from './sqlite-driver.js';
import { SqliteRunner, type Send } from './sqlite-runner.js';
import type { WriteLock, WriteTurn } from './sqlite-write-lock.js';

/** A scope, which has a tick unless it was opened by hand without a name. */
interface ScopeOfTick {
  readonly notice: ScopeNotice;
  readonly tick?: { readonly signal: AbortSignal };
}

/**
 * Wraps the query runner of a scope: takes a connection when the first statement is sent, and returns it to the pool on release.
 */
export class SqliteScopeRunner extends SqliteRunner {
  #taking: Promise<PooledConnection> | undefined;
  #taken: PooledConnection | undefined;
  /** The scope for which the query runner is created. */
  readonly scope = scopeOfBuild();
  /**
   * The scope; undefined if code outside the scope creates the query runner. Read immediately, because in a standalone scope, the
   * code that uses the query runner later may run in another async context.
   */
  readonly #owner = scopeAround<ScopeOfTick>(this.scope);
  /** Read immediately, because a scope that has ended no longer has a tick. */
  readonly #tickSignal = this.#owner?.tick?.signal;
  readonly label = labelOf(this.scope);
  private readonly file: string;
  /** When aborted, ends the wait for a connection. */
  #signal: AbortSignal | undefined;

  constructor(
    runner: QueryRunner,
    lock: WriteLock | undefined,
    private readonly pool: ConnectionPool,
    /** True if the transaction ends with the scope. */
    private readonly isTransactional: boolean,
    dataSource: DataSource,
  ) {
    super(runner, lock, dataSource.driver);
    this.isInner = lock?.isHeldByCaller === true;
    this.file = String(dataSource.options.database);
    if (!isTransactional) this.joinSubscribers(dataSource);
    const release = runner.release.bind(runner);
    Object.assign(runner, {
      connect: async () => (await (this.#taking ??= this.take())).connection,
      release: () => {
        Object.assign(runner, { isReleased: true });
        return this.inOrder(async () => {
          await release();
          const taken = await this.#taking?.catch(() => undefined); // the statement that needed it rejects with the error
          this.#taking = undefined;
          if (taken === undefined) return;
          try {
            await this.pool.giveBack(taken, this.hasTransaction());
          } finally {
            this.endTurn();
          }
        });
      },
    });
  }

  get isAborted(): boolean {
    return this.#tickSignal?.aborted === true;
  }

  protected get ownsConnection(): boolean {
    return true;
  }

  protected get connection(): SqliteConnection | undefined {
    return this.#taken?.connection;
  }

  protected async route(statement: string, send: Send): Promise<unknown> {
    const signal = this.signalOfNewStatement();
    return this.inOrder(async () => {
      this.#signal = signal;
      await this.runner.connect();
      if (!this.pool.holds(this.#taken!)) throw new Error(closedText(this.file));
      return this.sendInTurn(statement, send, signal);
    });
  }

  protected beforeSend(): void {}

  isOwnWork(turn: WriteTurn): boolean {
    // The transaction of a save() ends by itself, independently of the other work of the scope.
    if (!this.isTransactional) return this.isAroundIn(turn);
    return scopeAround(this.scope) !== undefined;
  }

  /**
   * Returns the signal that ends a new statement's wait. An abort ends the wait of every statement sent before it. A statement
   * sent after the abort waits as usual, so that a handler can still save its state. If the transaction will be rolled back
   * anyway, only statements of disposers wait, because they run after that rollback.
   */
  private signalOfNewStatement(): AbortSignal | undefined {
    const signal = this.#tickSignal;
    if (signal?.aborted !== true) return signal;
    const isRolledBack = this.isTransactional && isErrorOf(signal.reason, TickTimeoutError);
    return isRolledBack && !isInsideEnd(this.scope) ? signal : undefined;
  }

  private async take(): Promise<PooledConnection> {
    let taken: PooledConnection;
    try {
      taken = await this.pool.take(this.#owner, this.#signal);
    } catch (error) {
      this.#taking = undefined; // the next statement tries again
      throw error;
    }
    useConnection(this.runner, taken.connection, taken.statements);
    return (this.#taken = taken);
  }
}

function labelOf(scope: ScopeNotice | undefined): string {
  if (scope?.tickId !== undefined) return `${scope.schedule} (${scope.tickId})`;
  return scope === undefined ? 'a scope' : `scope ${scope.scopeId}`;
}

function closedText(file: string): string {
  return `The data source of ${file} was destroyed while the scope was open, so the scope's statement was not sent, and any open transaction was rolled back. Await the work before you call destroy(), or let the shutdown wait longer with shutdownTimeoutMs.`;
}
