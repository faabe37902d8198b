import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import { forgetTransaction, type DeepRunner } from './sqlite-runner.js';
import { begins } from './sqlite-statements.js';
import { LONG_TURN_MS, LONGEST_TURN_MS } from './sqlite-write-lock.js';

/** The interval, in milliseconds, at which the library checks whether an open transaction has ended. */
const POLL_MS = 5;

/**
 * The time in milliseconds, from the start on, during which transactions that would overlap an open one wait for its end.
 * Otherwise, transactions that always overlap would leave no pause. After this time, they begin anyway, because one of them
 * may be an inner transaction of the open one.
 */
const OVERLAP_MS = 1_000;

/** The start whose held transaction is beginning around the running code, which may be a subscriber. */
const beginning = new AsyncLocalStorage<SqliteStart>();

/**
 * What the application's transaction is doing: `open`, or `unsettled` while TypeORM counts one, but SQLite doesn't. A subscriber may
 * delay the BEGIN or the end of the COMMIT.
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
 * Prepares a file while the application may already use it. Each transaction of the application that begins in the meantime
 * first lets the library try. Otherwise, transactions without a pause between them would leave it no opportunity.
 */
export class SqliteStart {
  readonly #since = performance.now();
  /** True once the file is prepared, or the preparation has failed. */
  #isOver = false;
  #attempt: Promise<boolean> | undefined;
  /** Settles when the most recently held transaction has begun. */
  #last: Promise<unknown> = Promise.resolve();
  #release: () => void = () => undefined;
  /** The number of held transactions that are beginning. */
  #beginning = 0;
  /** The time at which the transaction was first seen unsettled, in milliseconds since the start. */
  #unsettledAt: number | undefined;

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

  /** Makes transactions wait for the library before they begin, one after the other. */
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
    // Afterwards, the methods to call are those of the patched query runner.
    const now = (): Pick<QueryRunner, 'query' | 'startTransaction'> =>
      this.#isOver ? runner : { startTransaction, query };
    const start = async (...args: Parameters<typeof startTransaction>): Promise<void> => {
      try {
        await now().startTransaction.apply(runner, args);
      } catch (error) {
        // TypeORM still assumes a transaction after its BEGIN has failed.
        if ((runner as DeepRunner).transactionDepth === 0) forgetTransaction(runner);
        throw error;
      }
    };
    Object.assign(runner, {
      startTransaction: (...args: Parameters<typeof startTransaction>) =>
        this.inOrder(() => start(...args)),
      query: (...args: Parameters<typeof query>): Promise<unknown> => {
        // TypeORM sets the flag before its own BEGIN, which has already waited.
        const isBegin = begins(args[0]) && !runner.isTransactionActive;
        const send = (): Promise<unknown> => now().query.apply(runner, args);
        return isBegin ? this.inOrder(send) : send();
      },
    });
  }

  private inOrder<T>(begin: () => Promise<T>): Promise<T> {
    if (beginning.getStore() === this) return begin();
    const begun = this.#last.then(async () => {
      await this.goFirst();
      this.#beginning += 1;
      return beginning.run(this, begin).finally(() => (this.#beginning -= 1));
    });
    const end = (): undefined => undefined; // the caller receives the error
    this.#last = begun.then(end, end);
    return begun;
  }

  /** Lets the library try. Once it is done, waits until no held transaction is open, because all of them share one query runner. */
  private async goFirst(): Promise<void> {
    while (!this.#isOver && this.isBusy && this.waitedMs < OVERLAP_MS) await setTimeout(POLL_MS);
    await this.attempt().catch(() => undefined); // run() throws the error
    if (!this.#isOver) return;
    const until = this.waitedMs + LONGEST_TURN_MS;
    const isOpen = (): boolean =>
      this.runner?.isTransactionActive === true && this.file.transaction() === 'open';
    while (isOpen() && this.waitedMs < until) await setTimeout(POLL_MS);
  }

  /** An unsettled transaction counts only for a while: TypeORM never forgets one whose BEGIN or COMMIT has failed. */
  private get isBusy(): boolean {
    const state = this.file.transaction();
    const isUnsettled = state === 'unsettled' || (state === undefined && this.#beginning > 0);
    this.#unsettledAt = isUnsettled ? (this.#unsettledAt ?? this.waitedMs) : undefined;
    return state === 'open' || (isUnsettled && this.waitedMs - this.#unsettledAt! < OVERLAP_MS);
  }

  private get waitedMs(): number {
    return performance.now() - this.#since;
  }
}

function waitingText(holder: string): string {
  return `ScopedTypeOrmModule has waited ${LONG_TURN_MS / 1_000} seconds for a transaction of ${holder}. Scopes can open their own connections only after it.`;
}

function busyText(holder: string): string {
  return `ScopedTypeOrmModule: for ${LONGEST_TURN_MS / 1_000} seconds, at least one transaction of ${holder} has been open at any time, so scopes cannot open their own connections. Look for a transaction that never ends, or that waits for a scope.`;
}
