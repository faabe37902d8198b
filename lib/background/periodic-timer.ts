import { PeriodicTimerError, refuseInvalid } from '../errors/errors.js';
import { named, optionsProblems, periodProblem, signalProblem } from '../util/option-checks.js';
import { Alarm, MOST_SLEWED_MS } from '../util/alarm.js';
import { onAbort } from '../util/on-abort.js';

/** @publicApi */
export interface PeriodicTimerOptions {
  /** Ends the timer when aborted, just as `dispose()` does. */
  readonly signal?: AbortSignal | undefined;
}

interface Wait {
  readonly resolve: (isTick: boolean) => void;
  readonly stopListening: () => void;
}

/**
 * Times one loop, like .NET's `System.Threading.PeriodicTimer`: `while (await timer.waitForNextTick()) { ... }`, or
 * `for await (const _ of timer) { ... }`.
 *
 * The ticks form a grid that starts at construction, so the work between two waits causes no drift. Ticks that come due while no
 * call waits count as one: the next call resolves immediately, and the grid continues. Between two waits, the timer has no Node
 * timer and no listener, and doesn't keep the process alive.
 *
 * @publicApi
 */
export class PeriodicTimer implements AsyncIterable<void>, Disposable {
  readonly #alarm = new Alarm(false, {
    ring: () => this.ring(),
    onSetBack: () => this.#wait && this.arm(this.#wait),
  });
  readonly #signal: AbortSignal | undefined;
  #periodMs: number;
  /** The due time of the next tick, in epoch milliseconds. It is in the past while a due tick waits for a call. */
  #next: number;
  /** True if a tick came due before the period changed, and no call has received that tick. */
  #isOwed = false;
  /** How far the wall clock was ahead of the monotonic clock at the last check. */
  #clockLead = clockLead();
  #wait: Wait | undefined;
  #isDisposed = false;

  /**
   * @param periodMs the milliseconds between two ticks, from 1 to 4,294,967,294 (49.7 days).
   * @throws {InvalidOptionsError} if the period or the signal is invalid.
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
   * Starts a new grid, even while a call waits: the next tick is due one new period from now. A tick that is already due stays due.
   *
   * @throws {InvalidOptionsError} if the period is invalid; the old period is kept.
   * @throws {PeriodicTimerError} if the timer was disposed or its signal was aborted.
   */
  set periodMs(periodMs: number) {
    if (this.isOver) throw new PeriodicTimerError('over');
    this.#periodMs = checkedPeriod(periodMs);
    this.#isOwed = this.isDue();
    this.#next = Date.now() + periodMs;
    if (this.#wait !== undefined) this.arm(this.#wait);
  }

  /**
   * Waits for the next tick. The process stays alive while the call waits.
   *
   * @param signal cancels this wait only: no tick is lost, and the timer continues.
   * @returns true for a tick; false if the timer was disposed or its own signal was aborted, even if a tick was due.
   * @throws `signal.reason` if the wait is cancelled.
   * @throws {PeriodicTimerError} if an earlier call is still waiting.
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
      // The listeners are removed after the wait, because a signal may live much longer than the timer.
      const offs = [cancel, this.#signal].map((signal) => signal && onAbort(signal, end));
      this.#wait = { resolve, stopListening: () => offs.forEach((off) => off?.()) };
      this.arm(this.#wait);
    });
  }

  /** Ends the timer: a pending call and all later ones resolve to false. */
  dispose(): void {
    this.#isDisposed = true;
    this.endWait(false);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Yields each tick until the timer ends. Leaving the loop doesn't dispose the timer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<void, void, undefined> {
    while (await this.waitForNextTick()) yield;
  }

  private get isOver(): boolean {
    return this.#isDisposed || this.#signal?.aborted === true;
  }

  private arm(wait: Wait): void {
    // A call never resolves in the same turn of the event loop, even if a tick is due. Otherwise, a loop that is always late would
    // delay every abort.
    if (this.isDue()) setImmediate(() => this.#wait === wait && this.ring());
    else this.#alarm.set(this.#next);
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
    // No alarm watches the clock between two waits. If the clock was set back, only the elapsed time counts.
    const lead = clockLead();
    const setBackBy = this.#clockLead - lead;
    this.#clockLead = lead;
    if (setBackBy > MOST_SLEWED_MS) this.#next -= setBackBy;
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
  if (signalProblem(option) === undefined) return option as AbortSignal | undefined;
  const isObject = typeof option === 'object' && option !== null;
  const { signal } = (isObject ? option : { signal: option }) as { readonly signal?: unknown };
  const problems = isObject ? optionsProblems(option, ['signal']) : [];
  refuseInvalid('PeriodicTimer', [...problems, ...named({ signal: signalProblem(signal) })]);
  return signal as AbortSignal | undefined;
}
