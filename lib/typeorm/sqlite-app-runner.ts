import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { BeginOrder } from './sqlite-begin-order.js';
import { useConnection, type SqliteConnection } from './sqlite-driver.js';
import { Creation } from './refused-write.js';
import { forgetTransaction, SqliteRunner, type DeepRunner, type Send } from './sqlite-runner.js';
import {
  begins,
  beginsInside,
  effectOnTransaction,
  mayWrite,
  rollsBack,
} from './sqlite-statements.js';
import type { AppConnection } from './sqlite-app-connection.js';
import {
  destroyedText,
  failedText,
  forgottenText,
  lateText,
  releasedText,
} from './sqlite-app-texts.js';
import type { WriteTurn } from './sqlite-write-lock.js';

const runners = new WeakMap<QueryRunner, SqliteAppRunner>();

/** The query runner in whose open transaction an inner transaction is beginning, in the current async context. */
const beginningInside = new AsyncLocalStorage<SqliteAppRunner>();

/**
 * A query runner of the application's data source. It writes and begins transactions on the application's own connection. While
 * the transaction of another query runner is open there, this one reads on a second connection.
 *
 * A BEGIN waits in up to four places, in this order:
 *
 * 1. in `BeginOrder`, while another transaction is beginning on this query runner;
 * 2. in `inOrder()`, for earlier statements of this query runner;
 * 3. in `WriteLock`, for its turn among all writers to the file;
 * 4. in `AppConnection`, for statements that are reading on the application's connection.
 */
export class SqliteAppRunner extends SqliteRunner {
  /** True if `dataSource.query()` created this runner: a transaction that this call begins belongs to the whole application. */
  isForOneStatement = false;
  /** Aborted when the query runner is released while its statements still wait to write. */
  #release = new AbortController();
  /** The number of statements that haven't ended. */
  #pending = 0;
  /** The number of users that haven't released the query runner: code inside its transaction receives the same query runner. */
  #users = 0;
  /** The number of `manager.transaction()` calls on the query runner, and of users inside its transaction, that haven't ended. */
  #inner = 0;
  /** The number of users inside the transaction that haven't released the query runner; undefined if there haven't been any. */
  #lent: number | undefined;
  /**
   * True if the owner released the query runner before its transaction ended: unawaited code inside the transaction may still
   * be running.
   */
  #isLeft = false;
  /**
   * The reason why the rest of the transaction is refused: the beginning of the transaction is lost, so the rest must not be
   * written. Applies until `#inner` is 0, or all users have released the query runner.
   */
  #cut: string | undefined;
  /** True if a migration has failed: TypeORM then doesn't switch foreign keys on again. */
  #isMigrationLost = false;
  /**
   * True once the transaction has failed, and while the statement that ends it is running: no inner transaction can begin anymore.
   */
  #isEnding = false;
  /** True once the callback of the transaction has failed: nothing but a rollback may follow. */
  #hasFailed = false;
  /** True if the transaction began after the query runner was released, so that none of its users' releases ends it. */
  #isReused = false;
  readonly #begins = new BeginOrder();

  constructor(
    runner: QueryRunner,
    private readonly app: AppConnection<SqliteAppRunner>,
    /** False if several independent owners may have the query runner: a release by one of them doesn't concern the others. */
    private readonly isOwned = true,
  ) {
    super(runner, app.lock, app.driver);
    runners.set(runner, this);
    this.creation = Creation.of(app.lock, SqliteAppRunner);
    const startTransaction = runner.startTransaction.bind(runner);
    const release = runner.release.bind(runner);
    const beforeMigration = runner.beforeMigration.bind(runner);
    const afterMigration = runner.afterMigration.bind(runner);
    const withoutForeignKeys = (): Promise<unknown> =>
      this.sendFor(withoutForeignKeys, 'PRAGMA foreign_keys = OFF', async () => {
        await beforeMigration();
        this.keepsTurn = true; // no other code may write while foreign keys are off
        this.#isMigrationLost = false;
      });
    const withForeignKeys = (): Promise<unknown> => {
      this.keepsTurn = false;
      this.#isMigrationLost = false;
      return this.sendFor(withForeignKeys, 'PRAGMA foreign_keys = ON', afterMigration);
    };
    Object.assign(runner, {
      startTransaction: (...args: Parameters<typeof startTransaction>) =>
        this.startInOrder(() => startTransaction(...args)),
      beforeMigration: withoutForeignKeys,
      afterMigration: withForeignKeys,
      release: async () => {
        if (!isOwned) {
          if (this.isBegunByStatement) app.unowned = this;
          if (this.#users === 0) this.#cut = undefined;
          if (this.#isMigrationLost) await this.endMigration();
          return release();
        }
        const isByUser = this.#isReused && this.#users > 0;
        this.countRelease();
        if (this.#pending > 0 && !this.isWriting) this.refuseWaiting();
        // Inside the transaction, TypeORM's calls that share this query runner release it too.
        this.#isLeft ||= this.isWriting && !this.isAround && !isByUser;
        await this.endIfLeft();
        return release();
      },
    });
    this.joinSubscribers(app.dataSource);
  }

  static of(runner: QueryRunner): SqliteAppRunner | undefined {
    return runners.get(runner);
  }

  /** Returns the query runner, and counts one more user that will release it. */
  handOut(): QueryRunner {
    if (this.isOwned) this.#users += 1;
    return this.runner;
  }

  /** Returns the query runner to code inside its transaction. */
  handOutInside(): QueryRunner {
    if (this.isOwned) {
      this.#inner += 1; // otherwise, no release is counted
      this.#lent = (this.#lent ?? 0) + 1;
    }
    return this.handOut();
  }

  private countRelease(): void {
    if (this.isAround) {
      if (this.#lent === 0) return; // a user inside the transaction has released the query runner twice
      if (this.#lent !== undefined) this.#lent -= 1;
      this.endInner();
    }
    this.countDown();
  }

  private async startInOrder(start: () => Promise<void>): Promise<void> {
    if (this.isAround) {
      // The open transaction may end before TypeORM sends the BEGIN of this one.
      return this.#begins.beginInside(() =>
        this.depth > 0 ? beginningInside.run(this, start) : start(),
      );
    }
    if (this.app.lock.isHeldByCaller) return start(); // the transaction that is beginning may wait for this code
    this.#pending += 1;
    try {
      await this.#begins.begin(start, this.#release.signal);
    } finally {
      this.#pending -= 1;
    }
  }

  /** Keeps a release from ending the transaction while an unawaited inner transaction still uses the query runner. */
  async keepFor<T>(inner: () => Promise<T>): Promise<T> {
    this.#users += 1;
    this.#inner += 1;
    try {
      return await inner();
    } finally {
      this.endInner();
      this.countDown();
      // The inner transaction may have begun after the release: TypeORM then counts a transaction that it can no longer end.
      if (this.isOwned && this.#users === 0 && !this.#isReused) this.#isLeft ||= this.isWriting;
      // TypeORM has failed to roll back, unless this call comes from a subscriber for which TypeORM waits.
      if (this.isOwned && this.#hasFailed && !this.isInOpenWork) this.#isLeft ||= this.isWriting;
      await this.endIfLeft();
    }
  }

  private endInner(): void {
    this.#inner = Math.max(0, this.#inner - 1);
    if (this.#inner === 0 && !this.isWriting) this.#cut = undefined;
  }

  private countDown(): void {
    this.#users = Math.max(0, this.#users - 1);
    if (this.#users === 0) this.#cut = undefined;
  }

  /**
   * Ends the transaction once no user remains, if its owner has released the query runner. Until then, any user may commit the
   * transaction, because TypeORM counts savepoints.
   */
  private async endIfLeft(): Promise<void> {
    if (!this.#isLeft || (this.#users > 0 && !this.#hasFailed)) return;
    this.#isLeft = false;
    const isMigrating = this.keepsTurn;
    if (this.runner.isTransactionActive) await this.rollBackForgotten();
    // `dataSource.query('BEGIN')` has released the query runner that would end the transaction.
    else if (this.isForOneStatement) this.app.unowned = this;
    else if (!isMigrating) await this.inOrder(() => this.rollBackBegunByStatement());
    if (isMigrating) await this.endMigration();
  }

  /**
   * Returns the query runner of the transaction that the calling code is part of. Statements that this code sends to the data
   * source join the transaction.
   */
  static around(app: AppConnection<SqliteAppRunner>): SqliteAppRunner | undefined {
    const joins = (runner: SqliteRunner): runner is SqliteAppRunner =>
      runner instanceof SqliteAppRunner &&
      runner.app === app &&
      (runner.isAroundNow || runner.#cut !== undefined);
    return SqliteRunner.enclosing.find(joins);
  }

  forget(): void {
    this.#cut = destroyedText(this.file);
    this.endTurn();
  }

  override async transact<T>(work: () => Promise<T>): Promise<T> {
    const isOutermost = this.depth === 1;
    try {
      return await this.runInside(work);
    } catch (error) {
      if (isOutermost) {
        // TypeORM rolls back some microtasks later.
        this.#hasFailed = this.#isEnding = this.runner.isTransactionActive;
        await this.#begins.settleInside();
      }
      if (isOutermost && this.depth > 1) {
        // TypeORM would roll back only to the innermost savepoint, and commit the rest with the last inner transaction.
        this.#cut = failedText(this.file);
        await this.rollBack();
      }
      throw error;
    } finally {
      if (isOutermost) await this.#begins.settleInside();
    }
  }

  private get depth(): number {
    return (this.runner as DeepRunner).transactionDepth;
  }

  protected get ownsConnection(): boolean {
    return this.isWriting;
  }

  protected get connection(): SqliteConnection {
    return this.app.driver.databaseConnection;
  }

  protected async route(statement: string, send: Send): Promise<unknown> {
    // A transaction begun with `dataSource.query('BEGIN')` has no owner: later statements of the application are part of it.
    const owner = this.app.unowned ?? this;
    // A release doesn't concern code that only shares the query runner, such as a subscriber that doesn't await its save().
    const signal = owner.isAround ? undefined : owner.#release.signal;
    const isInner = beginsInside(statement);
    const isEnd = effectOnTransaction(statement) === 'end';
    if (isEnd) this.#isEnding = true;
    if (isEnd && this.#begins.isBeginningInside) this.#cut = lateText(this.file);
    // TypeORM waits for a subscriber before it ends the transaction.
    const isLate = isInner
      ? this.#isEnding && !this.isInOpenWork
      : effectOnTransaction(statement) === 'begin' && beginningInside.getStore() === this;
    if (isLate) throw new Error(lateText(this.file));
    if (signal !== undefined) owner.#pending += 1;
    const sent = owner.inOrder<unknown>(async () => {
      if (owner !== this && owner !== this.app.unowned) return ROUTE_AGAIN;
      if (!owner.isWriting && mayWrite(statement)) signal?.throwIfAborted();
      return owner.sendOnConnection(statement, send, this.runner, signal);
    });
    try {
      const result = await (isInner ? this.#begins.beginInside(() => sent) : sent);
      this.#isMigrationLost ||= this.keepsTurn && rollsBack(statement);
      return result === ROUTE_AGAIN ? await this.route(statement, send) : result;
    } finally {
      if (signal !== undefined) owner.#pending -= 1;
      if (isEnd) this.#isEnding = false;
      if (begins(statement)) this.#begins.sent();
    }
  }

  protected async beforeSend(statement: string): Promise<void> {
    if (this.isWriting && begins(statement)) {
      if (!this.hasTransaction()) this.#isReused = this.#users === 0;
      await this.app.takeFor(this);
    }
    // These checks come last, because the data source may have been destroyed during a wait.
    if (this.#cut !== undefined && this.app.isConnected && !this.hasTransaction())
      throw new Error(this.#cut);
    if (beginsInside(statement) && !this.hasTransaction())
      throw new Error(this.#cut ?? lateText(this.file));
  }

  readonly label = 'the application';

  readonly isAborted = false;

  isOwnWork(turn: WriteTurn): boolean {
    return this.isAroundIn(turn);
  }

  protected override endTurn(): void {
    super.endTurn();
    this.#isEnding = false;
    this.#hasFailed = false;
    this.#isReused = false;
    this.#isLeft = false;
    this.#lent = undefined;
    this.app.leaveTo(this);
  }

  /** Refuses waiting statements: TypeORM would still send them after the release, and no code would end their transaction. */
  private refuseWaiting(): void {
    const release = this.#release;
    this.#release = new AbortController();
    release.abort(new Error(releasedText(this.file)));
  }

  private get file(): string {
    return String(this.app.driver.options.database);
  }

  /** Rolls back a transaction that no code can end anymore. Otherwise, other writers would wait for it. */
  private async rollBackForgotten(): Promise<void> {
    new Logger('ScopedWorker').warn(forgottenText(this.file));
    await this.rollBack();
    this.endTurn(); // sqlite3 doesn't report that SQLite has ended the transaction by itself
  }

  /** Rolls back a transaction that a statement began, because TypeORM doesn't know about it. */
  private async rollBackBegunByStatement(): Promise<void> {
    if (this.isBegunByStatement) await this.rollBackForgotten();
  }

  private get isBegunByStatement(): boolean {
    // If this query runner doesn't hold the turn, the open transaction on the connection belongs to another query runner.
    return this.isWriting && this.hasTransaction() && !this.runner.isTransactionActive;
  }

  private async rollBack(): Promise<void> {
    await this.runner.query('ROLLBACK').catch(() => undefined); // the transaction is already over, or the data source is destroyed
    forgetTransaction(this.runner);
  }

  private async sendOnConnection(
    statement: string,
    send: Send,
    runner: QueryRunner,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const use = await this.app.use(this, statement);
    useConnection(runner, use.connection, use.statements);
    return use.run(() => this.sendInTurn(statement, send, signal));
  }
}

/** The result for a statement that would have joined a transaction without an owner, had that transaction not ended first. */
const ROUTE_AGAIN = Symbol('route again');
