import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import { forgetTransaction, type DeepRunner } from './sqlite-runner.js';
import { begins, effectOnTransaction } from './sqlite-statements.js';
import { LONG_TURN_MS, LONGEST_TURN_MS } from './sqlite-write-lock.js';

/** The interval, in milliseconds, at which the library checks whether an open transaction has ended. */
const POLL_MS = 5;

/**
 * The time in milliseconds, counted from the start of the preparation, during which transactions that would overlap an open one
 * wait for it to end. Otherwise, transactions that always overlap would never leave a gap. After this time, the waiting
 * transactions begin anyway, because one of them may be an inner transaction of the open one.
 */
const OVERLAP_MS = 1_000;

/**
 * The time in milliseconds, counted from the start of the preparation, during which the BEGIN or COMMIT of a transaction may still
 * be on its way if TypeORM counts the transaction as open, but SQLite doesn't. After this time, TypeORM must have lost count: the
 * statement failed, or SQLite has ended the transaction.
 */
const UNSETTLED_MS = 1_000;

/** The `SqliteStart` that delayed the transaction that is beginning in the current async context. The running code may be a subscriber. */
const startAround = new AsyncLocalStorage<SqliteStart>();

/**
 * The state of the application's transaction: `open`, or `unsettled` while TypeORM counts one as open, but SQLite doesn't. With
 * sqlite3, which doesn't report whether a transaction is open, TypeORM's count decides, and only a transaction that is beginning
 * is unsettled.
 */
export type AppTransaction = 'open' | 'unsettled' | undefined;

/** The work on a file during which the application must have no transaction open. */
interface Preparation {
  readonly file: string;
  transaction(): AppTransaction;
  /** @returns false while another connection locks the file. */
  prepare(): Promise<boolean>;
  /** Runs last, at a moment when the application has no transaction open. */
  finish(): void;
}

/**
 * Prepares a file while the application may already use it. Each transaction of the application that begins in the meantime first
 * lets the library try to prepare the file. Otherwise, transactions without a pause between them would leave the library no
 * opportunity.
 */
export class SqliteStart {
  readonly #since = performance.now();
  /** True once the file is prepared, or the preparation has failed. */
  #isOver = false;
  #attempt: Promise<boolean> | undefined;
  /** Settles when the most recently delayed transaction has begun. */
  #last: Promise<unknown> = Promise.resolve();
  #release: () => void = () => undefined;
  /** The number of delayed transactions that are beginning, and of statements in flight that begin or end a transaction. */
  #inFlight = 0;

  /** @param runner the one query runner of the application; undefined if no transaction can be open. */
  constructor(
    private readonly file: Preparation,
    private readonly runner: QueryRunner | undefined,
  ) {
    if (runner !== undefined) this.hold(runner);
  }

  /**
   * Waits until the file is prepared.
   *
   * @throws {InvalidOptionsError} if the file stays locked for `LONGEST_TURN_MS`.
   * @throws the error of the preparation. In both cases, the application's query runner is left as it was.
   */
  async run(): Promise<void> {
    let isReported = false;
    try {
      while (!(await this.attempt())) {
        const { waitedMs } = this;
        const who = this.isBusy ? 'the application' : 'another data source or process';
        const holder = `${who} on ${this.file.file}`;
        if (waitedMs > LONG_TURN_MS && !isReported) {
          isReported = true;
          new Logger('ScopedWorker').warn(waitingText(holder));
        }
        if (waitedMs > LONGEST_TURN_MS) throw new InvalidOptionsError([busyText(holder)]);
        await setTimeout(POLL_MS);
      }
    } finally {
      this.#release();
      this.#isOver = true;
    }
  }

  private attempt(): Promise<boolean> {
    return (this.#attempt ??= this.tryOnce().finally(() => (this.#attempt = undefined)));
  }

  private async tryOnce(): Promise<boolean> {
    const { file } = this;
    if (this.#isOver) return true;
    if (this.isBusy || !(await file.prepare()) || this.isBusy) return false;
    if (this.#isOver) return true; // run() has given up meanwhile
    this.#release();
    this.#isOver = true;
    file.finish();
    return true;
  }

  /** Makes transactions begin one after the other, each after the library has tried to prepare the file. */
  private hold(runner: QueryRunner): void {
    const { startTransaction, query } = runner;
    const replaced = ['startTransaction', 'query'].map(
      (name) => [name, Object.getOwnPropertyDescriptor(runner, name)] as const,
    );
    this.#release = () => {
      this.#release = () => undefined;
      for (const [name, own] of replaced) {
        Reflect.deleteProperty(runner, name);
        if (own !== undefined) Object.defineProperty(runner, name, own);
      }
    };
    // After the start, calls the query runner's current methods: they may have been patched in the meantime.
    const now = (): Pick<QueryRunner, 'query' | 'startTransaction'> =>
      this.#isOver ? runner : { startTransaction, query };
    const start = async (...args: Parameters<typeof startTransaction>): Promise<void> => {
      try {
        await now().startTransaction.apply(runner, args);
      } catch (error) {
        // After a failed BEGIN, TypeORM still assumes that a transaction is open.
        if ((runner as DeepRunner).transactionDepth === 0) forgetTransaction(runner);
        throw error;
      }
    };
    Object.assign(runner, {
      startTransaction: (...args: Parameters<typeof startTransaction>) =>
        this.inOrder(() => start(...args)),
      query: (...args: Parameters<typeof query>): Promise<unknown> => {
        const [statement] = args;
        const send = (): Promise<unknown> => now().query.apply(runner, args);
        // TypeORM sets the flag before its own BEGIN, which has already waited.
        if (begins(statement) && !runner.isTransactionActive) return this.inOrder(send);
        return effectOnTransaction(statement) === 'end' ? this.inFlight(send) : send();
      },
    });
  }

  private inOrder<T>(begin: () => Promise<T>): Promise<T> {
    if (startAround.getStore() === this) return begin();
    const begun = this.#last.then(async () => {
      await this.goFirst();
      return startAround.run(this, () => this.inFlight(begin));
    });
    const end = (): undefined => undefined; // the caller receives the error
    // Because of a subscriber, a transaction that is beginning may be waiting for a later one.
    const timeout = setTimeout(LONGEST_TURN_MS, undefined, { ref: false });
    this.#last = Promise.race([begun.then(end, end), timeout]);
    return begun;
  }

  private async inFlight<T>(work: () => Promise<T>): Promise<T> {
    this.#inFlight += 1;
    try {
      return await work();
    } finally {
      void setImmediate().then(() => (this.#inFlight -= 1)); // by then, TypeORM has counted the transaction
    }
  }

  /**
   * Lets the library try to prepare the file. Once the library is done, waits for the delayed transactions, because all of them
   * share one query runner.
   */
  private async goFirst(): Promise<void> {
    await setImmediate(); // the last transaction may have ended just now
    while (!this.#isOver && this.isBusy && this.waitedMs < OVERLAP_MS) await setTimeout(POLL_MS);
    await this.attempt().catch(() => undefined); // run() throws the error
    const until = this.waitedMs + LONGEST_TURN_MS;
    while (this.#isOver && this.runner?.isTransactionActive === true && this.waitedMs < until)
      await setTimeout(POLL_MS);
  }

  private get isBusy(): boolean {
    const state = this.file.transaction();
    if (state === 'open' || this.#inFlight > 0) return true;
    return state === 'unsettled' && this.waitedMs < UNSETTLED_MS;
  }

  private get waitedMs(): number {
    return performance.now() - this.#since;
  }
}

function waitingText(holder: string): string {
  return `ScopedTypeOrmModule has waited ${LONG_TURN_MS / 1_000} seconds for a transaction of ${holder}. Scopes can open their own connections only after that transaction has ended.`;
}

function busyText(holder: string): string {
  return `ScopedTypeOrmModule: for ${LONGEST_TURN_MS / 1_000} seconds, at least one transaction of ${holder} has been open at all times, so scopes cannot open their own connections. Look for a transaction that never ends, or that waits for a scope.`;
}
