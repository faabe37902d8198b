import { AsyncLocalStorage } from 'node:async_hooks';
import { onAbort } from '../time/on-abort.js';

/** The turn of the writer that may currently write to a file. */
export interface WriteTurn {
  end(): void;
}

/** Returns whether the calling code is part of the work for which a turn was taken. */
export type IsOwnWork = () => boolean;

interface Waiter {
  readonly group: object;
  readonly isOwnWork: IsOwnWork;
  /** Runs a function in the context of the code that waits. */
  readonly inContext: <T>(work: () => T) => T;
  readonly timer: NodeJS.Timeout;
  /** Stops listening to the signal of the tick that waits. */
  readonly unfollow: (() => void) | undefined;
  resolve(turn: WriteTurn): void;
  reject(error: unknown): void;
}

/** The calling code is part of the work that has the turn, which would wait for its own end. */
export class WaitsForItself extends Error {
  constructor(file: string) {
    super(
      `A write to ${file} would wait for itself: the transaction that is writing to the file ends only after this write, and SQLite allows one writer at a time. Send the write through the entity manager of that transaction, or after it ends.`,
    );
  }
}

/** How long a writer waits while another one does not finish, in milliseconds. */
export const LONGEST_TURN_MS = 60_000;

const locks = new Map<string, WeakRef<WriteLock>>();

/**
 * Lets one connection of this process at a time write to an SQLite file. The others wait without blocking the event loop.
 * SQLite itself waits by blocking the thread on which the current writer would have to finish.
 */
export class WriteLock {
  #current: { readonly group: object; readonly isOwnWork: IsOwnWork } | undefined;
  #waiting: Waiter[] = [];

  private constructor(private readonly file: string) {}

  /** Returns the lock of a file, shared by all data sources of the process. */
  static of(file: string): WriteLock {
    let lock = locks.get(file)?.deref();
    if (lock === undefined) {
      lock = new WriteLock(file);
      locks.set(file, new WeakRef(lock));
    }
    return lock;
  }

  /**
   * Waits for the turn of the caller, first come, first served.
   *
   * @param group the argument with which the caller is found in `leave()`.
   * @param signal ends the wait when it is aborted.
   * @throws WaitsForItself
   * @throws Error if one turn lasts longer than `LONGEST_TURN_MS`.
   * @throws the reason of `signal`.
   */
  take(group: object, isOwnWork: IsOwnWork, signal?: AbortSignal): Promise<WriteTurn> {
    if (this.#current === undefined) return Promise.resolve(this.begin(group, isOwnWork));
    if (this.#current.isOwnWork()) return Promise.reject(new WaitsForItself(this.file));
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        group,
        isOwnWork,
        inContext: AsyncLocalStorage.snapshot(),
        timer: setTimeout(
          () => this.refuse(waiter, new Error(tookTooLong(this.file))),
          LONGEST_TURN_MS,
        ),
        unfollow: signal && onAbort(signal, () => this.refuse(waiter, signal.reason)),
        resolve,
        reject,
      };
      waiter.timer.unref();
      this.#waiting.push(waiter);
    });
  }

  /** Ends the turn and the waits of a data source that is destroyed. */
  leave(groups: readonly unknown[]): void {
    this.refuseWaiting(groups);
    if (this.#current !== undefined && groups.includes(this.#current.group)) this.next();
  }

  /** Refuses the writers of a data source that is being destroyed, while its own turn still lasts. */
  refuseWaiting(groups: readonly unknown[]): void {
    for (const waiter of this.#waiting) {
      if (groups.includes(waiter.group)) this.refuse(waiter, new Error(destroyed(this.file)));
    }
  }

  /** True if the calling code is part of the work that has the turn. */
  get isHeldByCaller(): boolean {
    return this.#current?.isOwnWork() === true;
  }

  private begin(group: object, isOwnWork: IsOwnWork): WriteTurn {
    const turn = { group, isOwnWork };
    this.#current = turn;
    return {
      end: () => {
        if (this.#current === turn) this.next();
      },
    };
  }

  private next(): void {
    this.#current = undefined;
    const first = this.#waiting.shift();
    if (first === undefined) return;
    stopWaiting(first);
    first.resolve(this.begin(first.group, first.isOwnWork));
    for (const waiter of this.#waiting) {
      if (waiter.inContext(first.isOwnWork)) this.refuse(waiter, new WaitsForItself(this.file));
      else waiter.timer.refresh();
    }
  }

  private refuse(waiter: Waiter, error: unknown): void {
    stopWaiting(waiter);
    this.#waiting = this.#waiting.filter((other) => other !== waiter);
    waiter.reject(error);
  }
}

function stopWaiting({ timer, unfollow }: Waiter): void {
  clearTimeout(timer);
  unfollow?.();
}

function tookTooLong(file: string): string {
  return `A write to ${file} waited ${LONGEST_TURN_MS / 1_000} s for another transaction of this process, which did not finish. SQLite allows one writer at a time. Look for a transaction that never ends, or that waits for this write.`;
}

function destroyed(file: string): string {
  return `A write to ${file} was waiting for its turn when the data source was destroyed, so it was not sent.`;
}
