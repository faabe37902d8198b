import { DisposeTimeoutError } from '../errors/index.js';
import { DISPOSERS } from '../graph/index.js';

/** One thing to do when a scope is disposed. */
export interface Disposer {
  /** For messages, written `Class.method`. */
  readonly name: string;
  call(): unknown;
}

/** The one disposer of an object: the first that it has of `Symbol.asyncDispose`, `Symbol.dispose`, `onModuleDestroy`. */
export function disposerOf(instance: object): Disposer | undefined {
  for (const [method, written] of DISPOSERS) {
    const disposer = readMember(instance, method);
    if (typeof disposer === 'function') {
      return {
        name: `${nameOf(instance)}.${written}`,
        call: () => disposer.call(instance) as unknown,
      };
    }
  }
  return undefined;
}

/** An error that a disposer threw, or `DisposeTimeoutError`. */
export interface DisposeFailure {
  readonly error: unknown;
}

/**
 * Calls a disposer and waits for it, at most `timeoutMs`; without a promise when there is nothing to wait
 * for. Never throws and never rejects: a disposer that fails must not stop the next.
 *
 * @param failedLate is called with the error of a disposer that fails when nobody waits for it any more.
 */
export function runDisposer(
  disposer: Disposer,
  timeoutMs: number,
  failedLate: (error: unknown) => void,
): DisposeFailure | undefined | Promise<DisposeFailure | undefined> {
  try {
    const result = disposer.call();
    if (!isThenable(result)) return undefined;
    const hung = (): Error => new DisposeTimeoutError(disposer.name, timeoutMs);
    return within(result, timeoutMs, hung, failedLate).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
  } catch (error) {
    return { error };
  }
}

/** Waits for `work` at most `timeoutMs`, then throws; a later rejection of `work` goes to `failedLate`. */
export function within<T>(
  work: PromiseLike<T>,
  timeoutMs: number,
  onTimeout: () => Error,
  failedLate?: (error: unknown) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      reject(onTimeout());
    }, timeoutMs);
    // A thenable may throw in `then` itself; a promise of its own turns that into a rejection.
    Promise.resolve(work).then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        if (isOver) return failedLate?.(error);
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}

/** A member of an object that may be a proxy, or have a getter that throws: such a member is none. */
export function readMember(instance: object, key: PropertyKey): unknown {
  try {
    return (instance as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function nameOf(instance: object): string {
  const { name } = (readMember(instance, 'constructor') ?? {}) as { name?: unknown };
  return typeof name === 'string' && name !== '' ? name : 'Object';
}
