import type { Slot } from '../schedule/slot.js';
import type { Scope } from '../scope/scope.js';
import { TickTimeoutError } from '../errors/errors.js';
import type { AbortCause } from './running-ticks.js';
import type { TickObserver } from './tick-ports.js';
import { TickSignal } from './tick-signal.js';
import type { Tick } from './tick.js';

export interface AttemptSeed {
  readonly slot: Slot;
  /** Of the tick; its attempts share it. */
  readonly id: string;
  readonly firedAt: Date;
  readonly payload: unknown;
  /** From 1. */
  readonly number: number;
}

const WHY: Record<AbortCause, string> = {
  shutdown: 'the application is shutting down',
  cancel: 'it was cancelled',
  overlap: 'another one takes its place',
};

/** One try at a tick, with the `Tick` that its handler sees. */
export class TickAttempt {
  readonly tick: Tick & { scope: Scope };
  readonly startedAt = new Date();
  abortCause: AbortCause | undefined;
  readonly #signal: TickSignal;

  constructor(
    readonly seed: AttemptSeed,
    observer: TickObserver,
  ) {
    const { slot, id, firedAt, payload, number } = seed;
    const schedule = slot.schedule.name;
    this.#signal = new TickSignal((error) => observer.abortListenerFailed({ schedule, id }, error));
    this.tick = {
      id,
      schedule,
      trigger: slot.trigger,
      scheduledAt: slot.scheduledAt,
      firedAt,
      latenessMs: Math.max(firedAt.getTime() - slot.scheduledAt.getTime(), 0),
      attempt: number,
      signal: this.#signal.signal,
      scope: undefined as unknown as Scope,
      payload,
    };
  }

  enter(scope: Scope): void {
    this.tick.scope = scope;
    scope.tick = this.tick;
  }

  abort(
    cause: AbortCause,
    reason: unknown = new DOMException(
      `${this.tick.schedule} was aborted: ${WHY[cause]}.`,
      'AbortError',
    ),
  ): void {
    if (this.tick.signal.aborted) return;
    this.abortCause = cause;
    this.#signal.abort(reason);
  }

  /** Aborts the attempt when its `timeoutMs` is over. @returns a function that stops the timer. */
  startTimer(): () => void {
    const { name, options } = this.seed.slot.schedule;
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return () => undefined;
    const timer = setTimeout(
      () => this.#signal.abort(new TickTimeoutError(name, timeoutMs)),
      timeoutMs,
    );
    return () => clearTimeout(timer);
  }
}
