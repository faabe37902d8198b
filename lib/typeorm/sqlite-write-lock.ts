import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import { isErrorOf } from '../errors/error-parts.js';
import { below } from '../errors/error-log.js';
import { TickTimeoutError, WriteTimeoutError } from '../errors/errors.js';
import { onAbort } from '../util/on-abort.js';

/** The turn of the writer that may currently write to a file. */
export interface WriteTurn {
  readonly writer: Writer;
  end(): void;
}

/** Code that writes to a file. */
export interface Writer {
  /** Identifies the data source: all its writers have the same object. */
  readonly group: object;
  /** Names the owner of the transaction, for the errors of other writers. */
  readonly label: string;
  /** An error whose stack leads to the code that began the transaction, if that is known. */
  readonly origin?: Error | undefined;
  /** The scope that owns the connection; undefined for the application's connection. */
  readonly scope?: object | undefined;
  /** True if the scope of the writer was opened inside the work of a transaction that held the turn. */
  readonly isInner?: boolean;
  /** True if the writer belongs to a tick that has been aborted. */
  readonly isAborted: boolean;
  /** False if the calling code isn't part of any work, so it can't wait for itself. Default: true. */
  readonly isInsideWork?: boolean;
  /** Returns true if the calling code is part of the work for which the turn was taken. */
  isOwnWork(turn: WriteTurn): boolean;
}

interface Turn extends WriteTurn {
  /** Runs while others wait for the turn to end. */
  timer?: NodeJS.Timeout | undefined;
  /** True if the shutdown has abandoned the tick that holds the turn. */
  isAbandoned?: boolean;
}

interface Waiter {
  readonly writer: Writer;
  /** The time at which the wait began. */
  readonly since: number;
  /** Runs a function in the context of the code that waits; undefined if that code isn't part of any work. */
  readonly inContext: (<T>(work: () => T) => T) | undefined;
  readonly timer: NodeJS.Timeout;
  /** Stops listening to the signal of the tick that waits. */
  readonly unfollow: (() => void) | undefined;
  resolve(turn: WriteTurn): void;
  reject(error: unknown): void;
}

/**
 * Thrown if the calling code would wait for itself: it is part of the work that holds the turn, or that work waits, directly or
 * through other files, for a turn that the calling code holds.
 */
export class WaitsForItself extends Error {
  constructor(
    readonly file: string,
    private readonly turn: WriteTurn,
    private readonly isCurrent: (turn: WriteTurn) => boolean,
    /** The file whose turn the calling code holds; undefined if that code is part of the work that holds the turn on `file`. */
    readonly otherFile?: string,
  ) {
    super(`A write to ${file} could wait for itself.`);
  }

  /** True once the turn for which the code would wait has ended. */
  get isOver(): boolean {
    return !this.isCurrent(this.turn);
  }

  get holder(): Writer {
    return this.turn.writer;
  }

  /** Returns true if the calling code is part of the work that took the turn, even if the turn has ended. */
  concernsCaller(): boolean {
    return this.turn.writer.isOwnWork(this.turn);
  }
}

/** The time in milliseconds that a writer waits for another writer's turn to end before the write is refused. */
export const LONGEST_TURN_MS = 60_000;

/** The time in milliseconds that writers wait for another writer's turn to end before a warning is logged. */
export const LONG_TURN_MS = 5_000;

const locks = new Map<string, WeakRef<WriteLock>>();

/**
 * Lets only one connection of this process write to an SQLite file at a time. The others wait without blocking the event loop.
 * SQLite itself waits by blocking the thread on which the current writer would have to finish.
 */
export class WriteLock {
  #current: Turn | undefined;
  #waiting: Waiter[] = [];
  /** The `group` of each data source whose application's shutdown no longer waits for ticks. */
  readonly #drained = new WeakSet();

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
   * Waits for the caller's turn, first come, first served.
   *
   * @param signal when aborted, ends the wait.
   * @throws WaitsForItself if the caller is part of the work that holds the turn, or if that work waits for the caller.
   * @throws {WriteTimeoutError} if another writer's turn lasts longer than `LONGEST_TURN_MS`, or if the shutdown has abandoned the
   * tick that holds the turn.
   * @throws the reason of `signal`; if it is a timeout, its cause names the transaction that the caller waited for.
   */
  take(writer: Writer, signal?: AbortSignal): Promise<WriteTurn> {
    if (this.#current === undefined) return Promise.resolve(this.begin(writer));
    const refusal = this.refusalOfWaiter();
    if (refusal !== undefined) return Promise.reject(refusal);
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (this.waitsInVain(writer)) return Promise.reject(this.timeoutOf(performance.now()));
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        writer,
        since: performance.now(),
        inContext: writer.isInsideWork === false ? undefined : AsyncLocalStorage.snapshot(),
        timer: setTimeout(() => this.refuse(waiter, this.timeoutOf(waiter.since)), LONGEST_TURN_MS),
        unfollow:
          signal &&
          onAbort(signal, () => {
            explain(signal.reason, () => this.timeoutOf(waiter.since));
            this.refuse(waiter, signal.reason);
          }),
        resolve,
        reject,
      };
      this.#waiting.push(waiter);
      this.watch();
    });
  }

  /**
   * Abandons the turn of an aborted tick, and refuses the waiting writes of applications that no longer wait for ticks. Each data
   * source of an application calls this method when the shutdown no longer waits for ticks. The HTTP server closes only once every
   * request has been answered, including requests that write. The turn may last until the data source is destroyed, which happens
   * even later.
   */
  abandon(group: object): void {
    this.#drained.add(group);
    const turn = this.#current;
    if (turn?.writer.isAborted === true && turn.writer.group === group) turn.isAbandoned = true;
    for (const waiter of this.#waiting)
      if (this.waitsInVain(waiter.writer)) this.refuse(waiter, this.timeoutOf(waiter.since));
  }

  /** Lets the writers of a data source wait again, for a new application. */
  admit(group: object): void {
    this.#drained.delete(group);
  }

  /** Ends the turn and the waits of a data source that has been destroyed. */
  leave(group: object): void {
    this.refuseWaiting(group);
    if (this.#current?.writer.group === group) this.next();
  }

  /** Refuses the waiting writes of a data source that is being destroyed. Doesn't end a turn that the data source holds. */
  refuseWaiting(group: object): void {
    for (const waiter of this.#waiting) {
      if (waiter.writer.group === group) this.refuse(waiter, new Error(destroyed(this.file)));
    }
  }

  /** True if the calling code is part of the work that holds the turn. */
  get isHeldByCaller(): boolean {
    const turn = this.#current;
    return turn?.writer.isOwnWork(turn) === true;
  }

  /** Returns the error for the calling code if it is part of the work that holds the turn. */
  refusalOfCaller(): WaitsForItself | undefined {
    return this.isHeldByCaller ? this.refusal() : undefined;
  }

  /** Returns the error for the calling code if it would wait for itself, directly or because of a wait on another file. */
  private refusalOfWaiter(awaited = this.awaitedLocks()): WaitsForItself | undefined {
    if (this.isHeldByCaller) return this.refusal();
    const held = awaited.find((lock) => lock.isHeldByCaller);
    return held && this.refusal(held.file);
  }

  /** Returns the locks for which the work that holds this turn waits, directly or through other files. */
  private awaitedLocks(): readonly WriteLock[] {
    const found: WriteLock[] = [this];
    for (const lock of found)
      // the list grows meanwhile
      for (const other of [...locks.values()].flatMap((ref) => ref.deref() ?? []))
        if (!found.includes(other) && other.isAwaitedByHolderOf(lock)) found.push(other);
    return found.slice(1);
  }

  private isAwaitedByHolderOf(lock: WriteLock): boolean {
    return this.#waiting.some(({ inContext }) => inContext?.(() => lock.isHeldByCaller));
  }

  private refusal(otherFile?: string): WaitsForItself {
    const isCurrent = (turn: WriteTurn): boolean => turn === this.#current;
    return new WaitsForItself(this.file, this.#current!, isCurrent, otherFile);
  }

  /** Returns true if the shutdown of the writer's application could wait for itself: the turn may last until that shutdown ends. */
  private waitsInVain({ group }: Writer): boolean {
    return this.#current?.isAbandoned === true && this.#drained.has(group);
  }

  private begin(writer: Writer): WriteTurn {
    const turn: Turn = {
      writer,
      end: () => {
        if (this.#current === turn) this.next();
      },
    };
    return (this.#current = turn);
  }

  private next(): void {
    clearTimeout(this.#current?.timer);
    this.#current = undefined;
    const first = this.#waiting.shift();
    if (first === undefined) return;
    stopWaiting(first);
    first.resolve(this.begin(first.writer));
    // With the new turn, some of the waiting writers may now be waiting for themselves; for the others, the time limit starts again.
    const awaited = this.awaitedLocks();
    for (const waiter of this.#waiting) {
      const refusal = waiter.inContext?.(() => this.refusalOfWaiter(awaited));
      if (refusal === undefined) waiter.timer.refresh();
      else this.refuse(waiter, refusal);
    }
    this.watch();
  }

  /** Logs one warning for a turn if others wait too long for it to end. */
  private watch(): void {
    const turn = this.#current;
    if (turn === undefined || turn.timer !== undefined || this.#waiting.length === 0) return;
    turn.timer = setTimeout(() => {
      const first = this.#waiting[0];
      if (first === undefined) turn.timer = undefined;
      else warn(this.file, turn.writer, first.writer, this.#waiting.length);
    }, LONG_TURN_MS);
    turn.timer.unref();
  }

  /**
   * Creates the error for a writer that has waited for the current turn to end.
   *
   * @param since the time at which the wait began.
   */
  private timeoutOf(since: number): WriteTimeoutError {
    const { label, origin } = this.#current!.writer;
    const waitedMs = Math.round(performance.now() - since);
    const options = origin === undefined ? undefined : { cause: origin };
    return new WriteTimeoutError(this.file, label, waitedMs, options);
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

/**
 * Adds a cause to a timeout error. Changes the object itself, because other work may have received it, and the handler
 * may compare it with `signal.reason`.
 */
function explain(reason: unknown, cause: () => Error): void {
  if (!isErrorOf(reason, TickTimeoutError) || reason.cause !== undefined) return;
  Object.defineProperty(reason, 'cause', { value: cause(), configurable: true, writable: true });
}

function warn(file: string, holder: Writer, first: Writer, count: number): void {
  const writes = count === 1 ? 'A write' : `${count} writes`;
  const [have, one] = count === 1 ? ['has', 'It'] : ['have', 'The first one'];
  new Logger('ScopedWorker').warn(
    `${writes} to ${file} ${have} waited ${LONG_TURN_MS / 1_000} s for the transaction of ${holder.label}. ${one} comes from ${first.label}. SQLite allows one writer at a time. Keep transactions short: a write that waits for ${LONGEST_TURN_MS / 1_000} s fails.${below(holder.origin?.stack)}`,
  );
}

function destroyed(file: string): string {
  return `A write to ${file} was waiting for its turn when the data source was destroyed, so it was not sent. Await the work before you call destroy().`;
}
