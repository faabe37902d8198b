import { setTimeout } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
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

/** The work on a file during which the application must have no transaction open. */
interface Preparation {
  readonly file: string;
  /** True while the application has a transaction open that could write. */
  isBusy(): boolean;
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
  #isOver = false;
  #attempt: Promise<boolean> | undefined;
  /** The transaction that begins next waits for this promise. */
  #last: Promise<unknown> = Promise.resolve();
  #release: () => void = () => undefined;

  /** @param runner the one query runner of the application. */
  constructor(
    private readonly file: Preparation,
    runner: QueryRunner | undefined,
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
        const waitedMs = performance.now() - this.#since;
        const who = this.file.isBusy() ? 'the application' : 'another data source or process';
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
    if (file.isBusy() || !(await file.prepare()) || file.isBusy()) return false;
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
    Object.assign(runner, {
      startTransaction: (...args: Parameters<typeof startTransaction>) =>
        this.inOrder(() => now().startTransaction.apply(runner, args)),
      query: (...args: Parameters<typeof query>): Promise<unknown> => {
        // TypeORM sets the flag before its own BEGIN, which has already waited.
        const isBegin = begins(args[0]) && !runner.isTransactionActive;
        const send = (): Promise<unknown> => now().query.apply(runner, args);
        return isBegin ? this.inOrder(send) : send();
      },
    });
  }

  private inOrder<T>(begin: () => Promise<T>): Promise<T> {
    const begun = this.#last.then(async () => {
      await this.goFirst();
      return begin();
    });
    const end = begun.then(
      () => undefined,
      () => undefined, // the caller receives the error
    );
    // A subscriber may delay the beginning, and may even wait for another transaction.
    this.#last = Promise.race([end, setTimeout(OVERLAP_MS, undefined, { ref: false })]);
    return begun;
  }

  private async goFirst(): Promise<void> {
    while (this.file.isBusy() && performance.now() - this.#since < OVERLAP_MS)
      await setTimeout(POLL_MS);
    await this.attempt().catch(() => undefined); // run() throws the error
  }
}

function waitingText(holder: string): string {
  return `ScopedTypeOrmModule has waited ${LONG_TURN_MS / 1_000} seconds for a transaction of ${holder}. Scopes can open their own connections only after it.`;
}

function busyText(holder: string): string {
  return `ScopedTypeOrmModule: for ${LONGEST_TURN_MS / 1_000} seconds, at least one transaction of ${holder} has been open at any time, so scopes cannot open their own connections. Look for a transaction that never ends, or that waits for a scope.`;
}
