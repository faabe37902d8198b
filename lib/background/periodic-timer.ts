import { PeriodicTimerError, refuseInvalid } from '../errors/errors.js';
import { named, optionsProblems, periodProblem, signalProblem } from '../util/option-checks.js';
import { Alarm } from '../util/alarm.js';
import { onAbort } from '../util/on-abort.js';

/** @publicApi */
export interface PeriodicTimerOptions {
  /** Ends the timer when it is aborted, as `dispose()` does. */
  readonly signal?: AbortSignal | undefined;
}

interface Wait {
  readonly resolve: (isTick: boolean) => void;
  readonly stopListening: () => void;
}

/** A wall clock that went back by less was slewed, not set. */
const SLEWED_MS = 1_000;

/**
 * A timer for one loop to wait for, after .NET's `System.Threading.PeriodicTimer`:
 * `while (await timer.waitForNextTick()) { ... }`, or `for await (const _ of timer) { ... }`.
 *
 * Its ticks lie on a grid that begins with the construction, so work between two waits makes no drift. Ticks that
 * came due while nobody waited are one: the next wait answers at once, and the grid goes on. While nobody waits,
 * the timer holds nothing: no timer of Node, no listener, and not the process.
 *
 * @publicApi
 */
export class PeriodicTimer implements AsyncIterable<void>, Disposable {
  readonly #alarm = new Alarm(false);
  readonly #signal: AbortSignal | undefined;
  #periodMs: number;
  /** The next moment of the grid, in epoch ms; past when a tick came due that nobody has taken. */
  #next: number;
  /** A tick came due before the period was changed, and nobody has taken it. */
  #isOwed = false;
  /** How far the wall clock was ahead of the monotonic one when it was last looked at. */
  #clockLead = clockLead();
  #wait: Wait | undefined;
  #isDisposed = false;

  /**
   * @param periodMs Milliseconds from tick to tick, from 1 to 4,294,967,294 (49.7 days).
   * @throws {InvalidOptionsError} when the period or the signal cannot work.
   */
  constructor(periodMs: number, options?: PeriodicTimerOptions) {
    this.#periodMs = checkedPeriod(periodMs);
    this.#signal = checkedSignal(options);
    this.#next = Date.now() + periodMs;
  }

  get periodMs(): number {
    return this.#periodMs;
  }

  /**
   * Begins a new grid, also for a wait that is pending: the next tick comes one new period from now. A tick that is due
   * already stays due.
   *
   * @throws {InvalidOptionsError} when the period cannot work; the old one stays.
   * @throws {PeriodicTimerError} when the timer was disposed, or its signal aborted.
   */
  set periodMs(periodMs: number) {
    if (this.isOver) throw new PeriodicTimerError('over');
    this.#periodMs = checkedPeriod(periodMs);
    this.#isOwed = this.isDue();
    this.#next = Date.now() + periodMs;
    if (this.#wait !== undefined) this.arm(this.#wait);
  }

  /**
   * Waits for the next tick. While it waits, the process is kept alive.
   *
   * @param signal Cancels this wait only: no tick is lost, and the timer goes on.
   * @returns true for a tick; false when the timer was disposed or its own signal aborted, also when a tick was due.
   * @throws `signal.reason` when the wait is cancelled.
   * @throws {PeriodicTimerError} when an earlier call still waits.
   */
  async waitForNextTick(
    signal?: AbortSignal | { readonly signal?: AbortSignal | undefined },
  ): Promise<boolean> {
    const cancel = checkedSignal(signal);
    if (this.#wait !== undefined) throw new PeriodicTimerError('already-waiting');
    if (this.isOver) return false;
    cancel?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        if (this.isOver) return this.endWait(false);
        this.takeWait();
        reject(cancel!.reason as Error);
      };
      // Only while somebody waits: the signal may live much longer than the timer.
      const offs = [cancel, this.#signal].map((signal) => signal && onAbort(signal, end));
      this.#wait = { resolve, stopListening: () => offs.forEach((off) => off?.()) };
      this.arm(this.#wait);
    });
  }

  /** Ends the timer: a pending wait, and each one from now on, gives false. */
  dispose(): void {
    this.#isDisposed = true;
    this.endWait(false);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Gives each tick until the timer is over. Leaving the loop does not dispose the timer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<void, void, undefined> {
    while (await this.waitForNextTick()) yield;
  }

  private get isOver(): boolean {
    return this.#isDisposed || this.#signal?.aborted === true;
  }

  private arm(wait: Wait): void {
    // Not within this turn: a loop that is always late would never let the event loop deliver an abort.
    if (this.isDue()) setImmediate(() => this.#wait === wait && this.ring());
    else
      this.#alarm.set(
        this.#next,
        () => this.ring(),
        () => this.arm(wait),
      );
  }

  private ring(): void {
    this.#isOwed = false;
    const late = Date.now() - this.#next;
    if (late >= 0) this.#next += (Math.floor(late / this.#periodMs) + 1) * this.#periodMs;
    this.endWait(true);
  }

  private endWait(isTick: boolean): void {
    this.takeWait()?.resolve(isTick);
  }

  private takeWait(): Wait | undefined {
    const wait = this.#wait;
    this.#wait = undefined;
    this.#alarm.clear();
    wait?.stopListening();
    return wait;
  }

  private isDue(): boolean {
    // Nothing watches the clock while nobody waits: the time that passed counts, not what the clock was set to.
    const lead = clockLead();
    const setBackBy = this.#clockLead - lead;
    this.#clockLead = lead;
    if (setBackBy > SLEWED_MS) this.#next -= setBackBy;
    return this.#isOwed || Date.now() >= this.#next;
  }
}

function clockLead(): number {
  return Date.now() - performance.now();
}

function checkedPeriod(periodMs: number): number {
  refuseInvalid('PeriodicTimer', named({ periodMs: periodProblem(periodMs) }));
  return periodMs;
}

function checkedSignal(
  option: AbortSignal | { readonly signal?: AbortSignal | undefined } | undefined,
): AbortSignal | undefined {
  if (option === undefined) return undefined;
  if (signalProblem(option) === undefined) return option as AbortSignal;
  const isObject = typeof option === 'object' && option !== null;
  const { signal } = (isObject ? option : { signal: option }) as { readonly signal?: unknown };
  const problems = isObject ? optionsProblems(option, ['signal']) : [];
  if (signal !== undefined) problems.push(...named({ signal: signalProblem(signal) }));
  refuseInvalid('PeriodicTimer', problems);
  return signal as AbortSignal | undefined;
}
