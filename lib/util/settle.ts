import { isThenable } from './values.js';

interface Subscribable {
  subscribe(observer: {
    next(value: unknown): void;
    error(error: unknown): void;
    complete(): void;
  }): { unsubscribe(): void };
}

/**
 * Waits for what a handler returned: a promise, any thenable, or an Observable, whose last value counts. An abort
 * unsubscribes from an Observable, which ends it; a promise cannot be ended from outside.
 */
export async function settle(result: unknown, signal: AbortSignal): Promise<unknown> {
  const value: unknown = isThenable(result) ? await result : result;
  return isSubscribable(value) ? lastValue(value, signal) : value;
}

function isSubscribable(value: unknown): value is Subscribable {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Subscribable>).subscribe === 'function' &&
    typeof (value as { pipe?: unknown }).pipe === 'function'
  );
}

function lastValue(source: Subscribable, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    let last: unknown;
    let subscription: { unsubscribe(): void } | undefined;
    const onAbort = (): void => {
      reject(signal.reason as Error);
      subscription?.unsubscribe(); // the signal's guard reports a teardown that throws
    };
    const done = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    subscription = source.subscribe({
      next: (value) => (last = value),
      error: (error) => done(() => reject(error as Error)),
      complete: () => done(() => resolve(last)),
    });
    if (signal.aborted) subscription.unsubscribe(); // aborted while it subscribed
  });
}
