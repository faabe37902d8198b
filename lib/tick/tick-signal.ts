import type { Slot } from '../schedule/slot.js';
import type { Scope } from '../scope/scope.js';
import { TickTimeoutError } from '../errors/errors.js';
import type { AbortCause } from './tick-report.js';
import type { TickObserver } from './tick-ports.js';
import type { Tick } from './tick.interface.js';
import { isThenable } from '../util/values.js';

export interface AttemptSeed {
  readonly slot: Slot;
  /** The id of the tick; all its attempts share it. */
  readonly id: string;
  readonly firedAt: Date;
  readonly payload: unknown;
  /** From 1. */
  readonly number: number;
}

const WHY: Record<AbortCause, string> = {
  shutdown: 'the application is shutting down',
  cancel: 'it was cancelled',
  overlap: 'a newer one replaces it',
};

/** One try at a tick, with the `Tick` that its handler sees. */
export class TickAttempt {
  readonly startedAt = new Date();
  abortCause: AbortCause | undefined;
  readonly #controller: TickSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly seed: AttemptSeed,
    observer: TickObserver,
  ) {
    const { slot, id: tickId } = seed;
    const schedule = slot.schedule.name;
    this.#controller = new TickSignal((error) =>
      observer.strayFailed('abort-listener', { schedule, tickId }, error),
    );
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Creates the `Tick` of its scope. */
  tickOf(scope: Scope): Tick {
    const { slot, id, firedAt, payload, number } = this.seed;
    const { schedule, trigger, scheduledAt } = slot;
    return {
      id,
      schedule: schedule.name,
      trigger,
      scheduledAt,
      firedAt,
      latenessMs: Math.max(firedAt.getTime() - scheduledAt.getTime(), 0),
      attempt: number,
      signal: this.signal,
      scope,
      payload,
    };
  }

  abort(
    cause: AbortCause,
    reason: unknown = new DOMException(
      `${this.seed.slot.schedule.name} was aborted: ${WHY[cause]}.`,
      'AbortError',
    ),
  ): void {
    if (this.signal.aborted) return;
    this.abortCause = cause;
    this.#controller.abort(reason);
  }

  /** Aborts the attempt when its `timeoutMs` has passed, unless `stopTimer()` is called before. */
  startTimer(): void {
    const { name, options } = this.seed.slot.schedule;
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return;
    const timeIsUp = (): void => this.#controller.abort(new TickTimeoutError(name, timeoutMs));
    this.#timer = setTimeout(timeIsUp, timeoutMs);
  }

  stopTimer(): void {
    clearTimeout(this.#timer);
  }
}

type Listener = (event: Event) => unknown;
type AnyListener = Listener | { handleEvent(event: Event): unknown };
type Add = AbortSignal['addEventListener'];
type Remove = AbortSignal['removeEventListener'];

/**
 * An AbortController whose listeners can throw safely. Node would rethrow their errors as uncaught exceptions, which end the
 * process in the middle of a drain.
 */
export class TickSignal extends AbortController {
  constructor(onListenerError: (error: unknown) => void) {
    super();
    guardListeners(this.signal, onListenerError);
  }
}

function guardListeners(signal: AbortSignal, onError: (error: unknown) => void): void {
  const guarded = new WeakMap<object, Listener>();
  const guard = (listener: AnyListener | null): Listener | null => {
    if (listener === null || listener === undefined) return listener;
    const known = guarded.get(listener);
    if (known !== undefined) return known;
    const safe: Listener = (event) => {
      try {
        const result =
          typeof listener === 'function'
            ? listener.call(signal, event)
            : listener.handleEvent(event);
        if (isThenable(result)) result.then(undefined, onError);
      } catch (error) {
        onError(error);
      }
    };
    guarded.set(listener, safe);
    return safe;
  };
  const add = signal.addEventListener.bind(signal) as Add;
  const remove = signal.removeEventListener.bind(signal) as Remove;
  let onabort: AnyListener | null = null;
  const addGuarded = (...[type, listener, options]: Parameters<Add>): void =>
    add(type, guard(listener as AnyListener) as never, options);
  const removeGuarded = (...[type, listener, options]: Parameters<Remove>): void =>
    remove(type, guard(listener as AnyListener) as never, options);
  Object.defineProperties(signal, {
    addEventListener: { value: addGuarded },
    removeEventListener: { value: removeGuarded },
    onabort: {
      get: () => onabort,
      set: (listener: unknown) => {
        if (onabort !== null) removeGuarded('abort', onabort as never);
        onabort = typeof listener === 'function' ? (listener as Listener) : null;
        if (onabort !== null) addGuarded('abort', onabort as never);
      },
    },
  });
}
