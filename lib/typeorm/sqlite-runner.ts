import { isThenable } from '../util/values.js';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, QueryRunner } from 'typeorm';
import { livingContext } from '../scope/work-context.js';
import type { SqliteConnection } from './sqlite-driver.js';
import {
  beginAsWriter,
  begins,
  divides,
  effectOnTransaction,
  mayWrite,
} from './sqlite-statements.js';
import { leaveReads } from './sqlite-app-connection.js';
import { captureFrames, withAwaiting, type Frames } from './frames.js';
import { originOf, refusedWrite, type Creation } from './refused-write.js';
import {
  WaitsForItself,
  type WriteLock,
  type Writer,
  type WriteTurn,
} from './sqlite-write-lock.js';

/**
 * Statements that are sent one at a time: all statements of a query runner, or those that a subscriber sends inside one of them.
 */
interface Queue {
  readonly of: SqliteRunner;
  last: Promise<unknown>;
  isOver: boolean;
}

/** The queues in the current async context, innermost first. They may belong to several files. */
const inside = new AsyncLocalStorage<readonly Queue[]>();

/** The work that called the running code: that of a transaction or of a subscriber. */
interface Enclosing {
  readonly runner: SqliteRunner;
  /**
   * The turn that the query runner held when the work began. The work may end the transaction of that turn, and begin another.
   */
  readonly turn: WriteTurn | undefined;
  /** True once the work has ended. Code that outlasts the work isn't part of the query runner's next turn. */
  isOver: boolean;
}

/** The work in the current async context, innermost first. Its query runners may belong to several files. */
const around = new AsyncLocalStorage<readonly Enclosing[]>();

export type Send = (statement: string) => Promise<unknown>;

function queueOf(runner: SqliteRunner): Queue {
  return { of: runner, last: Promise.resolve(), isOver: false };
}

/** A query runner with TypeORM's count of its open transactions, including savepoints. */
export interface DeepRunner extends QueryRunner {
  readonly transactionDepth: number;
}

/** Makes TypeORM begin a new transaction next time, instead of a savepoint in one that has ended. */
export function forgetTransaction(runner: QueryRunner): void {
  Object.assign(runner, { isTransactionActive: false, transactionDepth: 0 });
}

/**
 * Sends the statements of a query runner one after the other. A statement that writes waits for its turn. The turn lasts until the
 * statement ends or, if it begins a transaction, until that transaction ends.
 *
 * Only `query` sends statements (TypeORM 0.3 and 1.1, SQLite drivers); all other methods of a query runner call `query`.
 */
export abstract class SqliteRunner implements Writer {
  readonly #queue = queueOf(this);
  /** The number of statements that are being sent: more than one if a subscriber sends some inside another statement. */
  #sending = 0;
  #turn: WriteTurn | undefined;
  #isWaiting = false;
  #isInTransaction = false;
  /** The reason why the open transaction can only read: it began inside the work that holds the turn. */
  #refusal: WaitsForItself | undefined;
  /** The stack of the code that began the open transaction, or that waits to begin one. */
  #begun: Frames | undefined;
  /** True while the turn outlasts its transaction, because the schema is being changed with foreign keys off. */
  protected keepsTurn = false;
  /** Records the work in which the query runner was created, if its writes may be refused because of that work. */
  protected creation: Creation | undefined;
  isInner = false;

  constructor(
    readonly runner: QueryRunner,
    /** Undefined for a database that is opened read-only. */
    private readonly lock: WriteLock | undefined,
    readonly group: object,
  ) {
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const sendQuery = (statement: string, ...rest: unknown[]): Promise<unknown> => {
      const send: Send = (text) => query(text, ...rest);
      return runner.isReleased ? send(statement) : this.sendFor(sendQuery, statement, send);
    };
    Object.assign(runner, { query: sendQuery });
  }

  /**
   * Sends a statement when its turn has come.
   *
   * @param caller the function whose caller is first in the stack of a refused write.
   */
  protected async sendFor(caller: Function, statement: string, send: Send): Promise<unknown> {
    const { runner } = this;
    const isBegin = this.lock !== undefined && !this.isWriting && begins(statement);
    const frames = isBegin || this.mayBeRefused(statement) ? captureFrames(caller) : undefined;
    // The statement before this one waits for the turn that the calling code holds.
    const refusal = this.#isWaiting ? this.lock?.refusalOfCaller() : undefined;
    if (refusal !== undefined)
      throw refusedWrite(refusal, this, statement, frames, this.creation?.frames);
    if (isBegin) this.#begun = frames;
    try {
      return await this.route(statement, send);
    } catch (error) {
      // TypeORM still assumes that a transaction is open after its BEGIN has failed, or after SQLite has rolled the transaction
      // back by itself. A BEGIN that waits behind this statement has yet to run.
      const hasBegun = begins(statement) || (runner as DeepRunner).transactionDepth > 0;
      if (hasBegun && !(this.ownsConnection && this.hasTransaction())) forgetTransaction(runner);
      throw error instanceof WaitsForItself
        ? refusedWrite(error, this, statement, frames, this.creation?.frames)
        : withAwaiting(error);
    }
  }

  /** Returns false for a single statement in a request handler, so that it doesn't incur the cost of capturing frames. */
  private mayBeRefused(statement: string): boolean {
    if (this.lock === undefined || this.isWriting || !mayWrite(statement)) return false;
    return livingContext() !== undefined || this.lock.isHeldByCaller;
  }

  get isWriting(): boolean {
    return this.#turn !== undefined;
  }

  /** Runs work after all earlier statements, except for one that waits for the calling code. */
  protected inOrder<T>(work: () => Promise<T>): Promise<T> {
    const outer = (inside.getStore() ?? []).filter(({ isOver }) => !isOver);
    const queue = outer.find((each) => each.of === this) ?? this.#queue;
    const inner = queueOf(this);
    const result = queue.last
      .then(() => inside.run([inner, ...outer], work))
      .finally(() => (inner.isOver = true));
    const end = (): Promise<unknown> => inner.last; // perhaps no code awaits the subscriber
    queue.last = result.then(end, end);
    return result;
  }

  /**
   * Sends a statement, in a turn if the statement may write.
   *
   * @param signal when aborted, the statement stops waiting for its turn.
   */
  protected async sendInTurn(
    statement: string,
    send: Send,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (this.lock === undefined) return send(statement);
    if (this.#turn === undefined && mayWrite(statement)) {
      if (this.#refusal === undefined) await this.takeTurn(this.lock, statement, signal);
      else if (!divides(statement)) throw this.#refusal;
    }
    const text = this.isWriting ? beginAsWriter(statement) : statement;
    this.#sending += 1;
    try {
      await this.beforeSend(statement);
      const result = await send(text);
      const effect = effectOnTransaction(statement);
      if (effect !== undefined) this.#isInTransaction = effect === 'begin';
      return result;
    } catch (error) {
      // If the BEGIN of a migration fails, TypeORM leaves foreign keys off.
      if (this.keepsTurn && begins(statement) && !this.hasTransaction()) await this.endMigration();
      throw error;
    } finally {
      this.#sending -= 1;
      if (this.#sending === 0 && !this.keepsTurn && !this.hasTransaction()) this.endTurn();
    }
  }

  /** Takes the turn. A transaction that would wait for itself begins without a turn, and can only read. */
  private async takeTurn(
    lock: WriteLock,
    statement: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    leaveReads();
    try {
      this.creation?.check();
      this.#isWaiting = true;
      this.#turn = await lock.take(this, signal);
    } catch (error) {
      const canRead = this.ownsConnection && beginAsWriter(statement) !== statement;
      if (!canRead || !(error instanceof WaitsForItself)) throw error;
      this.#refusal = error;
    } finally {
      this.#isWaiting = false;
    }
  }

  /** Returns true while the connection has a transaction open, however it began. */
  protected hasTransaction(): boolean {
    return this.connection?.inTransaction ?? this.#isInTransaction;
  }

  protected endTurn(): void {
    this.#isInTransaction = false;
    this.#refusal = undefined;
    this.#begun = undefined;
    this.#turn?.end();
    this.#turn = undefined;
  }

  get origin(): Error | undefined {
    return originOf(this.label, this.#begun);
  }

  /** Makes subscribers, and entity listeners such as `@AfterInsert()`, run as part of the statement that they are called for. */
  protected joinSubscribers({ subscribers, entityMetadatas }: DataSource): void {
    const isNeeded =
      subscribers.length > 0 || entityMetadatas.some(({ listeners }) => listeners.length > 0);
    if (!isNeeded) return;
    const { broadcaster } = this.runner;
    const joined = new Proxy(broadcaster, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.runInside((): unknown => value.apply(target, args));
      },
    });
    Object.assign(this.runner, { broadcaster: joined });
  }

  get isInsideWork(): boolean {
    return SqliteRunner.enclosing.length > 0 || livingContext() !== undefined;
  }

  /** The query runners within which the calling code runs, innermost first. */
  protected static get enclosing(): readonly SqliteRunner[] {
    return (around.getStore() ?? []).map(({ runner }) => runner);
  }

  /** Runs the work of a transaction or of a subscriber. */
  runInside<T>(work: () => T): T {
    // Keeps only query runners that hold a turn. Otherwise, the list would grow endlessly if each transaction began the next.
    const others = (around.getStore() ?? []).filter(
      ({ runner }) => runner !== this && runner.isWriting,
    );
    const own: Enclosing = { runner: this, turn: this.#turn, isOver: false };
    const over = (): void => void (own.isOver = true);
    const result = around.run([own, ...others], work);
    if (isThenable(result)) result.then(over, over);
    else over();
    return result;
  }

  /** Runs the callback of a transaction. */
  transact<T>(work: () => Promise<T>): Promise<T> {
    return this.runInside(work);
  }

  /** True if the calling code runs within this query runner. */
  protected get isAround(): boolean {
    return SqliteRunner.enclosing.includes(this);
  }

  /** True if the calling code is part of work of this query runner that hasn't ended, such as that of a subscriber. */
  protected get isInOpenWork(): boolean {
    return (around.getStore() ?? []).some(({ runner, isOver }) => runner === this && !isOver);
  }

  /** Returns true if the calling code is part of the work of a turn. */
  protected isAroundIn(turn: WriteTurn): boolean {
    return (around.getStore() ?? []).some(
      (each) => each.runner === this && (each.turn === turn || !each.isOver),
    );
  }

  /** True if the calling code runs within the current turn of this query runner. */
  protected get isAroundNow(): boolean {
    return this.#turn !== undefined && this.isAroundIn(this.#turn);
  }

  /** Makes the call that TypeORM omits if a migration fails. The call itself fails if the data source is destroyed. */
  protected async endMigration(): Promise<void> {
    await this.runner.afterMigration().catch(() => undefined);
  }

  /** True only if no other query runner has a transaction on the connection. */
  protected abstract get ownsConnection(): boolean;

  protected abstract get connection(): SqliteConnection | undefined;

  protected abstract route(statement: string, send: Send): Promise<unknown>;

  /** Runs before a statement is sent, once its turn has come. */
  protected abstract beforeSend(statement: string): unknown;

  abstract isOwnWork(turn: WriteTurn): boolean;

  abstract readonly label: string;

  abstract readonly isAborted: boolean;
}
