import { TickTimeoutError } from '../errors/errors.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Abortable } from '../errors/error-parts.js';
import { isThenable } from '../util/values.js';
import type { TickEvents } from './tick-ports.js';
import type { AbortCause, TickAttemptId } from './tick-report.js';

const WHY: Record<AbortCause, string> = {
  shutdown: 'the application is shutting down',
  cancel: 'it was cancelled',
  overlap: 'a newer tick replaces it',
};

/** An attempt whose work runs this much longer than its `timeoutMs` is reported, because the work may never end. */
const OVERRUN_MS = 5_000;

type Listener = (event: Event) => unknown;
type AnyListener = Listener | { handleEvent(event: Event): unknown };
type Add = AbortSignal['addEventListener'];
type Remove = AbortSignal['removeEventListener'];

/**
 * An AbortController whose signal lets listeners throw safely. Node would rethrow their errors as uncaught exceptions, which would
 * end the process in the middle of a drain.
 */
export class TickSignal extends AbortController {
  constructor(onListenerError: (error: unknown) => void) {
    super();
    guardListeners(this.signal, onListenerError);
  }
}

/** Aborts one attempt of a tick: from outside, or when its `timeoutMs` has passed. */
export class AttemptAbort implements Abortable {
  aborted = false;
  reason: unknown;
  /** The reason why the attempt was aborted from outside. */
  cause: AbortCause | undefined;
  /** True once a shutdown has begun, even if the attempt was aborted before for another reason. */
  isShutDown = false;
  /** Created on the first read of `signal`, because a signal costs more than the rest of a tick. */
  #signal: TickSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param attempt has no payload, because the signal may outlive the tick and must not keep the payload alive. */
  constructor(
    private readonly attempt: TickAttemptId,
    private readonly schedule: Schedule,
    private readonly events: TickEvents,
  ) {}

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const { schedule, tickId } = this.attempt;
      this.#signal = new TickSignal((error) =>
        this.events.emit('failure:stray', { where: 'abort-listener', schedule, tickId, error }),
      );
      if (this.aborted) this.#signal.abort(this.reason);
    }
    return this.#signal.signal;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Aborts the attempt from outside; does nothing if it is already aborted. */
  abortFor(
    cause: AbortCause,
    reason: unknown = new DOMException(
      `${this.schedule.name} was aborted: ${WHY[cause]}.`,
      'AbortError',
    ),
  ): void {
    if (cause === 'shutdown') this.shutDown();
    if (this.aborted) return;
    this.cause = cause;
    this.abort(reason);
  }

  shutDown(): void {
    this.isShutDown = true;
    this.stopTimer(); // the shutdown itself reports ticks that it abandons
  }

  /**
   * Aborts the attempt when its `timeoutMs` has passed, and reports it if its work hasn't settled `OVERRUN_MS` later. `stopTimer()`
   * prevents both.
   */
  startTimer(): void {
    const { name, options } = this.schedule;
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return;
    const overrun = (): void => this.events.emit('tick:overrun', { ...this.attempt, timeoutMs });
    const timeIsUp = (): void => {
      this.abort(new TickTimeoutError(name, timeoutMs));
      this.#timer = setTimeout(overrun, OVERRUN_MS);
      this.#timer.unref?.(); // in jsdom, for example, a timer is a number
    };
    this.#timer = setTimeout(timeIsUp, timeoutMs);
  }

  stopTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  private abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#signal?.abort(reason);
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
    // Node removes `safe` with `removeEventListener()` when the signal passed as the listener's `signal` option is aborted.
    guarded.set(safe, safe);
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
