import { AsyncLocalStorage } from 'node:async_hooks';
import type { QueryRunner } from 'typeorm';
import { answersOf, dataSourceOf, executionsOf, statusOf, type Client } from './client.js';
import { forgetTransaction, type DeepRunner } from './sqlite-runner.js';
import { withoutComments } from './sqlite-statements.js';
import {
  beginText,
  CUT,
  DISCONNECTED,
  DOOMED,
  ENDED,
  endText,
  FAILED,
  levelText,
  LOST,
  NOT_BEGUN,
  UNFINISHED,
} from './transaction-texts.js';
import type { UnderWay } from './under-way.js';

type IsolationLevel = Parameters<QueryRunner['startTransaction']>[0];

interface Configured {
  readonly options: { readonly isolationLevel?: IsolationLevel };
}

/**
 * Marks the statements that begin or end the transaction of a query runner, with a new object each time. A connection that is
 * opened while a mark is set keeps that mark, and listeners on its streams see the mark later. Therefore, an old mark is ignored.
 */
const bounding = new AsyncLocalStorage<object>();

/** Drivers of databases where one failed statement dooms its transaction: COMMIT then rolls back without an error. */
const DOOMING_DRIVERS = ['postgres', 'aurora-postgres', 'cockroachdb'];

/** The error codes with which other databases report that they rolled back the whole transaction of a deadlock victim. */
const DEADLOCKS: Partial<Record<string, number>> = { mysql: 1213, mariadb: 1213, mssql: 1205 };

/**
 * Matches only a whole statement, because a block of code may start with BEGIN, and a text with several statements may end its own
 * transaction.
 */
export const BEGIN =
  /^(BEGIN(\s+(DEFERRED|IMMEDIATE|EXCLUSIVE))?(\s+(WORK|TRAN(SACTION)?))?(\s+(ISOLATION|READ|(NOT\s+)?DEFERRABLE)\b[\w\s,]*)?|START\s+TRANSACTION(\s+[\w\s,]+)?)\s*;?\s*$/i;

/**
 * Matches statements that end a whole transaction. Doesn't match rollbacks to a savepoint. On SQL Server, such a
 * rollback names the savepoint without `TO`.
 */
const END = /^(COMMIT|ROLLBACK|END|ABORT)\b(?!\s+(TRANSACTION\s+|WORK\s+)?(TO\b|typeorm_\d))/i;
const COMMIT = /^COMMIT\b/i;
const TO_SAVEPOINT = /^ROLLBACK\b.*\bTO\b/i;

/**
 * Begins a transaction before the first statement of a query runner. The transactions that TypeORM begins (for
 * `manager.transaction()`, and for a `save()` that sends the first statement) become savepoints in the outer transaction. Only the
 * scope may end the outer transaction.
 *
 * Only `query`, `stream` and `startTransaction` send statements (TypeORM 0.3 and 1.1, all SQL drivers). All other methods of a
 * query runner and of its entity manager call these three. On SQL Server, `commitTransaction` and `rollbackTransaction` are
 * exceptions: they call the driver.
 */
export class LazyTransaction {
  readonly #isDoomable: boolean;
  readonly #deadlock: number | undefined;
  #begun: Promise<void> | undefined;
  #level: IsolationLevel;
  /**
   * After a failed COMMIT, hooks can't send statements until the rollback, because the database may have ended the transaction.
   */
  #end: 'to come' | 'under way' | 'failed' | 'over' = 'to come';
  /** The current mark, while the transaction begins or ends. */
  #mark: object | undefined;
  #isCommitted = false;
  /** PostgreSQL's answer to COMMIT. With better-sqlite3, set once COMMIT has been executed. */
  #answer: string | undefined;
  /** The number of inner transactions that didn't begin, and that TypeORM hasn't tried to roll back yet. */
  #notBegun = 0;
  #inFlight = 0;
  /** Set if a statement failed: PostgreSQL would roll back on COMMIT. */
  #doom: { readonly error: unknown; readonly isAlone: boolean } | undefined;
  /** The reason why the work can't send more statements. */
  #refusal: Error | undefined;
  /** The error of a subscriber or a logger that TypeORM called after the COMMIT. */
  afterCommit: { readonly error: unknown } | undefined;

  constructor(
    private readonly runner: QueryRunner,
    private readonly driver: string,
    private readonly underWay: UnderWay,
    /** Returns the error for statements that come too late. */
    private readonly tooLate: () => Error,
    /** Returns true if the calling code is a hook or a disposer of the scope. */
    private readonly isOfEnd: () => boolean,
  ) {
    this.#isDoomable = DOOMING_DRIVERS.includes(driver);
    this.#deadlock = DEADLOCKS[driver];
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const stream = runner.stream.bind(runner);
    const startTransaction = runner.startTransaction.bind(runner);
    const rollbackTransaction = runner.rollbackTransaction.bind(runner);
    const begin = (level?: IsolationLevel): Promise<void> => {
      this.#level = level ?? levelOf(runner);
      return this.bound(() => startTransaction(level));
    };
    const send = async <T>(call: () => Promise<T>, level?: IsolationLevel): Promise<T> => {
      if (this.isBounding) return call();
      this.refuseLate();
      if (this.#end === 'over') return call();
      if (this.#refusal !== undefined) this.refuse();
      await (this.#begun ??= begin(level));
      // No `await` follows, so the scope cannot end the transaction before the statement is sent.
      this.refuseLate();
      if (!runner.isTransactionActive) throw new Error(runner.isReleased ? DISCONNECTED : LOST);
      return call();
    };
    Object.assign(runner, {
      query: (...args: unknown[]) => {
        const statement = withoutComments(String(args[0]));
        if (BEGIN.test(statement)) this.refuseBegin(statement);
        if (END.test(statement)) this.refuseEnd(statement);
        return send(() => this.watch(statement, () => query(...args)));
      },
      stream: (...args: Parameters<QueryRunner['stream']>) => send(() => stream(...args)),
      startTransaction: (level?: IsolationLevel) =>
        send(() => this.startInner(() => startTransaction(level), level), level),
      // TypeORM also calls this for an inner transaction that didn't begin. The call would roll back the outer transaction.
      rollbackTransaction: () => {
        if (this.#notBegun === 0 || this.isBounding) return rollbackTransaction();
        this.#notBegun -= 1;
        return Promise.reject(new Error(NOT_BEGUN));
      },
    });
  }

  /**
   * Commits the transaction. Does nothing if no statement was sent.
   *
   * @returns true if the transaction has committed.
   * @throws Error if the connection was lost, if the work itself ended the transaction, or if an inner transaction or a stream is
   * still open. Also throws if the work swallowed the error of a statement, because PostgreSQL would silently roll back on COMMIT.
   */
  async commit(client: Client | undefined): Promise<boolean> {
    if (this.#begun === undefined) {
      // Statements that hooks and disposers send later aren't part of a transaction.
      this.#end = this.#refusal === undefined ? 'over' : 'failed';
      this.refuse();
      return false;
    }
    await this.#begun; // perhaps no code has awaited the first statement
    await this.end('failed', async () => {
      if (this.underWay.hasCut) throw new Error(CUT);
      this.check(client);
      await this.sendCommit(client);
    });
    return true;
  }

  /** Rolls the transaction back. Does nothing if no transaction is open. */
  async rollback(): Promise<void> {
    await this.#begun?.catch(() => undefined); // the code that sent the first statement receives the error
    await this.end('over', async () => {
      if (this.#refusal !== undefined) await this.rollBackAtOnce(); // the savepoints may be gone
      while (this.isOpen) {
        await this.runner.rollbackTransaction().catch(async (error: unknown) => {
          // A subscriber may have thrown before TypeORM sent the statement.
          await this.rollBackAtOnce();
          throw error;
        });
      }
    });
  }

  private get isOpen(): boolean {
    return this.runner.isTransactionActive && !this.runner.isReleased;
  }

  private get isBounding(): boolean {
    return this.#mark !== undefined && bounding.getStore() === this.#mark;
  }

  /** Runs the work that begins or ends the transaction. */
  private async bound<T>(work: () => Promise<T>): Promise<T> {
    this.#mark = {};
    try {
      return await bounding.run(this.#mark, work);
    } finally {
      this.#mark = undefined;
    }
  }

  /** Ends the transaction once the calls under way have settled. Statements that disposers send later aren't part of it. */
  private async end(otherwise: 'failed' | 'over', work: () => Promise<void>): Promise<void> {
    let end = otherwise;
    this.#end = 'under way';
    try {
      await this.underWay.settled();
      await this.bound(work);
      end = 'over';
    } finally {
      this.#end = end;
    }
  }

  private async sendCommit(client: Client | undefined): Promise<void> {
    const answered = (answer: string | undefined): void => void (this.#answer = answer);
    const stop = this.#isDoomable
      ? answersOf(client, 'COMMIT', answered)
      : executionsOf(this.runner, 'COMMIT', () => answered('COMMIT'));
    try {
      await this.runner.commitTransaction();
    } catch (error) {
      if (!this.#isCommitted && this.#answer !== 'COMMIT') throw error;
      forgetTransaction(this.runner); // if afterQuery() throws after the COMMIT, TypeORM still counts the transaction as open
      this.afterCommit = { error };
    } finally {
      stop();
    }
    if (this.#answer === 'ROLLBACK') throw new Error(DOOMED);
  }

  private async rollBackAtOnce(): Promise<void> {
    if (!this.isOpen) return;
    const forget = (): void => forgetTransaction(this.runner);
    // If this fails, the rollback is retried when the connection is released.
    await this.runner.query('ROLLBACK').then(forget, () => undefined);
  }

  /** Throws if the transaction can't be committed. */
  private check(client: Client | undefined): void {
    this.refuse();
    const { runner } = this;
    const status = statusOf(client); // also shows the effect of statements that this class can't recognize
    if (status === 'E') throw new Error(DOOMED);
    if (!this.isOpen) throw new Error(runner.isReleased ? DISCONNECTED : LOST);
    // On a closed connection, the COMMIT fails, and its error says why the connection is closed.
    if (status === 'I' && client?.open !== false) throw new Error(ENDED);
    if ((runner as DeepRunner).transactionDepth > 1) throw new Error(UNFINISHED);
  }

  private refuse(): void {
    // This check comes first: if one of several concurrent statements fails, TypeORM itself ends the transaction.
    if (this.#doom !== undefined) {
      const cause = this.#doom.error;
      throw new Error(this.runner.isReleased ? DISCONNECTED : DOOMED, { cause });
    }
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  private refuseLate(): void {
    if (this.#end === 'to come') return;
    // Only hooks and disposers may send statements that take effect outside the transaction.
    if (this.#end === 'under way' || !this.isOfEnd()) throw this.tooLate();
    if (this.#end === 'failed') throw new Error(FAILED);
  }

  private refuseBegin(statement: string): void {
    if (!this.isBounding && this.#end === 'to come') throw new Error(beginText(statement.trim()));
  }

  /** Refuses a statement with which the work would end the transaction, and a COMMIT that would roll it back. */
  private refuseEnd(statement: string): void {
    if (this.isBounding && COMMIT.test(statement)) this.refuse();
    if (this.isBounding || this.#end !== 'to come') return;
    this.#refusal ??= new Error(endText(statement.trim()));
    this.refuse();
  }

  private async startInner(start: () => Promise<void>, level: IsolationLevel): Promise<void> {
    const runner = this.runner as DeepRunner;
    const depth = runner.transactionDepth;
    const isChange = level !== undefined && level !== this.#level;
    try {
      if (this.#end === 'to come' && isChange && !this.driver.includes('sqlite'))
        throw new Error(levelText(level));
      await start();
      this.#notBegun = 0;
    } catch (error) {
      const isHealthy = this.#end === 'to come' && this.#doom === undefined && depth > 0;
      if (isHealthy && runner.transactionDepth === depth) {
        this.#notBegun += 1;
        // If a subscriber threw before the savepoint, TypeORM has forgotten the outer transaction.
        Object.assign(runner, { isTransactionActive: true });
      }
      throw error;
    }
  }

  private async watch(statement: string, send: () => Promise<unknown>): Promise<unknown> {
    this.#inFlight += 1;
    try {
      const result = await send();
      if (this.#end === 'under way' && this.isBounding && COMMIT.test(statement))
        this.#isCommitted = this.#answer !== 'ROLLBACK';
      // If other statements were under way when one failed, this rollback may have undone some that were reported as successful.
      if (TO_SAVEPOINT.test(statement) && this.#doom?.isAlone === true) this.#doom = undefined;
      return result;
    } catch (error) {
      this.failed(error);
      throw error;
    } finally {
      this.#inFlight -= 1;
    }
  }

  private failed(error: unknown): void {
    // A statement that a subscriber sends after the COMMIT can't undo the commit.
    if (this.#isCommitted || this.#end === 'over') return;
    if (this.#isDoomable) this.#doom ??= { error, isAlone: this.#inFlight === 1 };
    if (this.#deadlock !== undefined && numberOf(error) === this.#deadlock)
      this.#refusal ??= new Error(LOST, { cause: error });
  }
}

/** Returns the isolation level that TypeORM uses by default. */
function levelOf(runner: QueryRunner): IsolationLevel {
  return (dataSourceOf(runner) as Configured | undefined)?.options.isolationLevel;
}

/** Returns the error number that MySQL, MariaDB or SQL Server reported. */
function numberOf(error: unknown): unknown {
  const { driverError } = error as { driverError?: { errno?: unknown; number?: unknown } };
  return driverError?.errno ?? driverError?.number;
}
