import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { Latch } from '../util/latch.js';
import { within } from '../util/within.js';
import { LONGEST_TURN_MS } from './sqlite-write-lock.js';

/** The query runners on which a transaction is beginning in the current async context. The running code may be a subscriber. */
const beginning = new AsyncLocalStorage<readonly BeginOrder[]>();

/**
 * Begins the transactions of one query runner one after the other. TypeORM counts a transaction only after its BEGIN, which may
 * wait for its turn. Meanwhile, TypeORM would send another BEGIN instead of a savepoint. A transaction inside an open one doesn't
 * have to wait, but the open one must not end until TypeORM has counted the inner one.
 */
export class BeginOrder {
  /** Opens once TypeORM has counted the transaction that is beginning, or has noticed that its BEGIN failed. */
  #counted: Latch | undefined;
  /** The number of inner transactions that are beginning, and that TypeORM hasn't counted yet. */
  #inside = 0;

  get isBeginningInside(): boolean {
    return this.#inside > 0;
  }

  /** Begins a transaction inside an open one. */
  async beginInside<T>(begin: () => Promise<T>): Promise<T> {
    this.#inside += 1;
    try {
      return await begin();
    } finally {
      this.#inside -= 1;
    }
  }

  /** Waits until TypeORM has counted the transactions that are beginning inside the open one. */
  async settleInside(): Promise<void> {
    while (this.isBeginningInside) await setImmediate();
  }

  /**
   * Calls `begin` once no other transaction is beginning. Throws an error if another one is still beginning after
   * `LONGEST_TURN_MS`: a subscriber of the other transaction may be waiting for this one.
   *
   * @param signal if it is aborted before the wait ends, `begin` isn't called.
   */
  async begin(begin: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const around = beginning.getStore() ?? [];
    if (around.includes(this)) return begin();
    while (this.#counted !== undefined) {
      await within(this.#counted.opened, LONGEST_TURN_MS, stuck);
      signal.throwIfAborted();
    }
    const counted = (this.#counted = new Latch());
    try {
      await beginning.run([this, ...around.filter((other) => other.#counted !== undefined)], begin);
    } finally {
      if (this.#counted === counted) this.sent(); // a subscriber may have failed before the BEGIN
    }
  }

  /** Lets the next transaction begin. Called once a BEGIN has succeeded or failed. */
  sent(): void {
    const counted = this.#counted;
    if (counted === undefined) return;
    void setImmediate().then(() => {
      if (this.#counted === counted) this.#counted = undefined;
      counted.open();
    });
  }
}

function stuck(): Error {
  return new Error(
    `After ${LONGEST_TURN_MS / 1_000} seconds, another transaction on the same query runner had still not begun, so this one was refused. Use dataSource.transaction(), which uses a separate query runner for each transaction.`,
  );
}
