import type { Slot } from '../schedule/slot.js';
import { isInside } from '../scope/work-context.js';
import { idSource } from '../util/id-source.js';
import { Latch } from '../util/latch.js';
import { onAbort } from '../util/on-abort.js';
import type { AbortCause, RunningWork } from './running-ticks.js';
import { TickAttempt } from './tick-attempt.js';
import type { TickObserver } from './tick-ports.js';
import { tickLabel } from './tick-report.js';

export const nextTickId = idSource('tick');

/** A tick from its firing to its report, over all its attempts: what can be told to it from outside. */
export class RunningTick implements RunningWork {
  readonly id = nextTickId();
  readonly firedAt = new Date();
  readonly startedAt = performance.now();
  readonly #end = new Latch();
  isAwaited = true;
  /** All attempts have ended; only the conclusion is left. */
  isOver = false;
  /** Set when no further attempt may begin. */
  stopped: AbortCause | undefined;
  readonly #wait = new AbortController();
  #attempt: TickAttempt | undefined;
  #abort: { readonly cause: AbortCause; readonly reason?: unknown } | undefined;

  constructor(
    readonly slot: Slot,
    readonly payload: unknown,
    private readonly observer: TickObserver,
  ) {}

  get done(): Promise<unknown> {
    return this.#end.opened;
  }

  /** Settles `done`. */
  end(): void {
    this.#end.open();
  }

  get label(): string {
    const { schedule, messageId } = this.slot;
    return tickLabel(schedule.name, this.id, messageId);
  }

  /** Aborted when a wait between attempts is to end at once. */
  get waitSignal(): AbortSignal {
    return this.#wait.signal;
  }

  begin(number: number): TickAttempt {
    const { slot, id, firedAt, payload } = this;
    this.#attempt = new TickAttempt({ slot, id, firedAt, payload, number }, this.observer);
    if (this.#abort !== undefined) this.#attempt.abort(this.#abort.cause, this.#abort.reason);
    return this.#attempt;
  }

  /** Between attempts nothing is kept of the last one: listeners of its signal may lead to its instances. */
  attemptEnded(): void {
    this.#attempt = undefined;
  }

  isInside(): boolean {
    return isInside(this);
  }

  abort(cause: AbortCause, reason?: unknown): boolean {
    if (this.isOver) return false;
    this.beginNoMore(cause);
    this.#abort ??= { cause, reason };
    this.#attempt?.abort(cause, reason);
    return true;
  }

  /**
   * Cancels the tick with the reason of the signal when the signal is aborted.
   *
   * @returns a function that removes the listener.
   */
  follow(signal: AbortSignal): () => void {
    const cancel = (): void => void this.abort('cancel', signal.reason);
    if (!signal.aborted) return onAbort(signal, cancel);
    cancel();
    return () => undefined;
  }

  beginNoMore(cause: AbortCause): void {
    this.stopped ??= cause;
    this.#wait.abort();
  }
}
