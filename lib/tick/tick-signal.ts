import { isThenable } from '../util/values.js';

type Listener = (event: Event) => unknown;
type AnyListener = Listener | { handleEvent(event: Event): unknown };
type Add = AbortSignal['addEventListener'];
type Remove = AbortSignal['removeEventListener'];

/**
 * An AbortController whose listeners cannot harm: Node rethrows what a listener of an `AbortSignal` throws as
 * an uncaught exception, which ends the process in the middle of a drain.
 */
export class TickSignal {
  readonly #controller = new AbortController();

  constructor(private readonly onListenerError: (error: unknown) => void) {
    guardListeners(this.signal, (error) => this.onListenerError(error));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The first reason stays. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
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
