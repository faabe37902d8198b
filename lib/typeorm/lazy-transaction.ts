import { AsyncLocalStorage } from 'node:async_hooks';
import type { QueryRunner } from 'typeorm';
import type { DeepRunner } from './sqlite-runner.js';
import { withoutComments } from './sqlite-statements.js';

/** The status that PostgreSQL reports for a connection: idle, in a transaction, or in a failed one. */
export type TransactionStatus = 'I' | 'T' | 'E';

/** Marks the statements that begin and end the transaction of a query runner. */
const bounding = new AsyncLocalStorage<QueryRunner>();

/** Drivers of databases where one failed statement dooms its transaction: COMMIT then rolls back without an error. */
const DOOMING_DRIVERS = ['postgres', 'aurora-postgres', 'cockroachdb'];

/** Matches statements that end a whole transaction, not a savepoint, which TypeORM rolls back by its name on SQL Server. */
const END = /^(COMMIT|ROLLBACK|END|ABORT)\b(?!\s+(TRANSACTION\s+|WORK\s+)?(TO\b|typeorm_\d))/i;
const COMMIT = /^COMMIT\b/i;
const TO_SAVEPOINT = /^ROLLBACK\b.*\bTO\b/i;

/**
 * Begins a transaction before the first statement of a query runner. Those that TypeORM begins (for `manager.transaction()`, and
 * for a `save()` that sends the first statement) become savepoints in it. Only the scope may end it.
 *
 * Only `query`, `stream` and `startTransaction` send statements (TypeORM 0.3 and 1.1, all SQL drivers). The rest of a query
 * runner and its entity manager call these.
 */
export class LazyTransaction {
  readonly #isDoomable: boolean;
  #begun: Promise<void> | undefined;
  #end: 'to come' | 'under way' | 'over' = 'to come';
  #isCommitted = false;
  #inFlight = 0;
  #doom: { readonly error: unknown; readonly isAlone: boolean } | undefined;
  #endedByWork: string | undefined;
  /** The error of a subscriber that TypeORM called after the COMMIT. */
  afterCommit: { readonly error: unknown } | undefined;

  constructor(
    private readonly runner: QueryRunner,
    driver: string,
    /** Returns the error for statements that come too late. */
    tooLate: () => Error,
    /** True for hooks and disposers of the scope. */
    isOfEnd: () => boolean,
  ) {
    this.#isDoomable = DOOMING_DRIVERS.includes(driver);
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const stream = runner.stream.bind(runner);
    const startTransaction = runner.startTransaction.bind(runner);
    const refuseLate = (): void => {
      // Only hooks and disposers may send statements that take effect outside the transaction.
      if (this.#end === 'under way' || (this.#end === 'over' && !isOfEnd())) throw tooLate();
    };
    const begun = async <T>(send: () => Promise<T>): Promise<T> => {
      if (bounding.getStore() === runner) return send();
      refuseLate();
      if (this.#end === 'over') return send();
      if (this.#endedByWork !== undefined) this.refuse();
      await (this.#begun ??= bounding.run(runner, () => startTransaction()));
      // No `await` follows, so the scope cannot end the transaction before the statement is sent.
      refuseLate();
      if (!runner.isTransactionActive) throw new Error(runner.isReleased ? DISCONNECTED : LOST);
      return send();
    };
    Object.assign(runner, {
      query: (...args: unknown[]) =>
        begun(() => this.watch(withoutComments(String(args[0])), () => query(...args))),
      stream: (...args: Parameters<QueryRunner['stream']>) => begun(() => stream(...args)),
      startTransaction: (...args: Parameters<QueryRunner['startTransaction']>) =>
        begun(() => startTransaction(...args)),
    });
  }

  /**
   * Commits the transaction. Does nothing if no statement was sent.
   *
   * @param statusOf returns the last status that the database reported. It also reveals statements that this class can't recognise.
   * @returns whether it has committed.
   * @throws Error if the connection was lost, if the work ended the transaction itself, if an inner transaction is still open, or if
   * the work swallowed the error of a statement: PostgreSQL would silently roll back on COMMIT.
   */
  async commit(statusOf: () => TransactionStatus | null | undefined): Promise<boolean> {
    if (this.#begun === undefined) {
      this.#end = 'over'; // statements that hooks and disposers send later aren't part of it
      return false;
    }
    await this.#begun; // before it reads the status, because nobody may have awaited the first statement
    const status = statusOf();
    this.refuse();
    if (status === 'E') throw new Error(DOOMED);
    if (!this.runner.isTransactionActive)
      throw new Error(this.runner.isReleased ? DISCONNECTED : LOST);
    if (status === 'I')
      throw new Error(endedText('a statement that the library did not recognise'));
    if ((this.runner as DeepRunner).transactionDepth > 1) throw new Error(UNFINISHED);
    await this.end(() => this.runner.commitTransaction()).catch((error: unknown) => {
      if (!this.#isCommitted) throw error;
      this.afterCommit = { error };
    });
    this.refuse(); // a statement that nobody awaited may have failed before COMMIT
    // TypeORM releases a query runner when its connection is lost or its data source is destroyed.
    if (this.runner.isTransactionActive) throw new Error(DISCONNECTED);
    return true;
  }

  /** Throws if the transaction can't be committed. */
  private refuse(): void {
    // This check is first: if one of several concurrent statements fails, TypeORM itself ends the transaction.
    if (this.#doom !== undefined) throw new Error(DOOMED, { cause: this.#doom.error });
    if (this.#endedByWork !== undefined) throw new Error(endedText(this.#endedByWork.trim()));
  }

  /** Rolls the transaction back. Does nothing if no transaction is open. */
  async rollback(): Promise<void> {
    await this.#begun?.catch(() => undefined); // the sender of the first statement receives that error
    await this.end(() => this.runner.rollbackTransaction());
  }

  /** Ends the open savepoints and the transaction. Statements that disposers send later aren't part of it. */
  private async end(endInnermost: () => Promise<void>): Promise<void> {
    const { runner } = this;
    this.#end = 'under way';
    try {
      await bounding.run(runner, async () => {
        while (runner.isTransactionActive && !runner.isReleased) await endInnermost();
      });
    } finally {
      this.#end = 'over';
    }
  }

  private async watch(statement: string, send: () => Promise<unknown>): Promise<unknown> {
    if (this.#end === 'to come' && END.test(statement)) this.#endedByWork = statement;
    this.#inFlight += 1;
    try {
      const result = await send();
      if (this.#end === 'under way' && COMMIT.test(statement)) this.#isCommitted = true;
      // If other statements are under way, the savepoint may have undone statements that were reported as successful.
      if (TO_SAVEPOINT.test(statement) && this.#doom?.isAlone === true) this.#doom = undefined;
      return result;
    } catch (error) {
      // A subscriber may send a statement after the COMMIT, which can't undo it.
      if (this.#isDoomable && !this.#isCommitted && this.#endedByWork === undefined)
        this.#doom ??= { error, isAlone: this.#inFlight === 1 };
      throw error;
    } finally {
      this.#inFlight -= 1;
    }
  }
}

const DOOMED =
  'The transaction of the scope cannot be committed: one of its statements failed, and the handler continued. Let the error propagate, or run the statement in entityManager.transaction().';

const LOST =
  'The database rolled back the transaction of the scope when a statement failed, and the handler continued. Do not catch the error of that statement.';

const DISCONNECTED =
  'The connection of the scope was lost before COMMIT, so the database rolled back its transaction. Run the work again. If this recurs, look for a database restart, a timeout for idle transactions, or code that releases the query runner or destroys the data source.';

const UNFINISHED =
  'The transaction of the scope cannot be committed: a transaction inside it has not ended. Await every save() and manager.transaction(), even if part of the work fails.';

function endedText(statement: string): string {
  return `The handler ended the transaction of the scope (${statement}), but only the scope may end it. Throw to roll it back, or omit { transaction: true }.`;
}
