import { DisposeTimeoutError } from '../errors/index.js';

/** One thing to do when a scope is disposed. */
export interface Disposer {
  /** For messages, written `Class.method`. */
  readonly name: string;
  call(): unknown;
}

const METHODS = [
  [Symbol.asyncDispose, '[Symbol.asyncDispose]'],
  [Symbol.dispose, '[Symbol.dispose]'],
  ['onModuleDestroy', 'onModuleDestroy'],
] as const;

/** The one disposer of an object: the first that it has of `Symbol.asyncDispose`, `Symbol.dispose`, `onModuleDestroy`. */
export function disposerOf(instance: object): Disposer | undefined {
  for (const [method, written] of METHODS) {
    const disposer: unknown = (instance as Record<PropertyKey, unknown>)[method];
    if (typeof disposer === 'function') {
      return {
        name: `${nameOf(instance)}.${written}`,
        call: () => disposer.call(instance) as unknown,
      };
    }
  }
  return undefined;
}

/**
 * Calls a disposer and waits for it, at most `timeoutMs`.
 *
 * @returns nothing, or the disposer's own error, or `DisposeTimeoutError`. Never throws: a disposer
 * that fails must not stop the next.
 */
export async function runDisposer(
  disposer: Disposer,
  timeoutMs: number,
): Promise<{ error: unknown } | undefined> {
  try {
    const result = disposer.call();
    if (isThenable(result))
      await within(result, timeoutMs, () => new DisposeTimeoutError(disposer.name, timeoutMs));
    return undefined;
  } catch (error) {
    return { error };
  }
}

/** Waits for `work` at most `timeoutMs`, then throws; a later rejection of `work` is taken care of. */
export function within<T>(
  work: PromiseLike<T>,
  timeoutMs: number,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(onTimeout()), timeoutMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function nameOf(instance: object): string {
  return (instance.constructor as Function | undefined)?.name || 'Object';
}
