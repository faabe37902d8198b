import { DisposeTimeoutError } from '../errors/errors.js';
import { DISPOSERS } from '../nest/index.js';
import { isThenable, readMember } from '../util/values.js';
import { within } from '../util/within.js';

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

function nameOf(instance: object): string {
  const { name } = (readMember(instance, 'constructor') ?? {}) as { name?: unknown };
  return typeof name === 'string' && name !== '' ? name : 'Object';
}
