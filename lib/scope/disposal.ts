import { isPromise } from 'node:util/types';
import { DisposeTimeoutError } from '../errors/errors.js';
import { initHookOf, type NestWrapper } from '../nest/index.js';
import { DISPOSERS } from '../util/disposers.js';
import { isThenable, memberReader, readMember } from '../util/values.js';
import { within } from '../util/within.js';
import type { Ownership } from './ownership.js';
import type { ScopeHooks } from './provider-scope.interface.js';
import { COMMITS_LAST } from './scope-ports.js';

type Hooked = ScopeHooks & object;

const commitHookOf = memberReader<ScopeHooks>((instance) => instance.onScopeCommit);
const rollbackHookOf = memberReader<ScopeHooks>((instance) => instance.onScopeRollback);

/** A disposer of an instance, or a deferred cleanup. */
interface Cleanup {
  /** Undefined for a deferred cleanup. */
  readonly instance: object | undefined;
  /** The name of the disposer, for messages. */
  readonly method: string;
  readonly disposer: Function;
}

interface Entry {
  readonly cleanup: Cleanup | undefined;
  readonly hooked: Hooked | undefined;
  readonly instance: object | undefined;
}

/** The error that a disposer threw, or a `DisposeTimeoutError`. */
interface DisposeFailure {
  readonly error: unknown;
}

type Disposing = Promise<DisposeFailure | undefined>;

/** The result of the commit hooks. */
export interface CommitEnd {
  /** `hasCommitted`: an earlier hook had returned `'committed'`, so its work stays committed. */
  readonly failure?: { readonly error: unknown; readonly hasCommitted: boolean };
  readonly rollbackErrors: readonly unknown[];
}

/** An instance that was built too late to be disposed with the others. */
export interface LateEntry {
  /** Disposes the instance; never rejects. */
  dispose(timeoutMs: number): Promise<void>;
}

/**
 * Lists everything that one scope must do when it ends. Owned instances are listed in the order in which they were built, and
 * callbacks passed to `defer`, `onCommit` and `onRollback` in the order of the calls. Runs the list in reverse order.
 *
 * Keeps only instances with a disposer or a hook; others are counted and forgotten.
 */
export class Disposal {
  #entries: Entry[] = [];
  hasHooks = false;
  /** True once disposal has begun. */
  isDisposing = false;
  /** The number of owned instances, with or without a disposer. */
  built = 0;
  /** The number of owned instances whose disposer was called. */
  disposed = 0;

  constructor(
    private readonly ownership: Ownership,
    /** Receives the error of a disposer that runs or fails too late for `dispose()` to return that error. */
    private readonly failedLate: (error: unknown) => void,
  ) {}

  /**
   * Adds an instance.
   *
   * @param isLate true if the scope has closed: the instance isn't initialized, and its other hooks wouldn't expect that.
   * @returns true if the scope owns the instance and hadn't added it before.
   */
  add(instance: unknown, wrapper: NestWrapper, isLate = false): boolean {
    if (!this.ownership.isCandidate(instance, wrapper)) return false;
    const cleanup = disposerOf(instance);
    const isUsable = !isLate || typeof initHookOf(instance) !== 'function';
    const hooked = isUsable && hasEndHook(instance) ? instance : undefined;
    if (cleanup === undefined && hooked === undefined) {
      if (!this.ownership.counts(instance, wrapper)) return false;
      this.built += 1;
      return true;
    }
    if (!this.ownership.claim(instance, wrapper)) return false;
    this.built += 1;
    this.hasHooks ||= hooked !== undefined;
    this.#entries.push({ cleanup, hooked, instance });
    return true;
  }

  /** Removes an instance that outlives the scope. The instance stays claimed, so that no other scope disposes it either. */
  forget(instance: object): void {
    const entries = this.#entries.filter((entry) => entry.instance !== instance);
    if (entries.length === this.#entries.length) return;
    this.#entries = entries;
    this.built -= 1;
  }

  defer(call: () => unknown): void {
    const cleanup = { instance: undefined, method: 'scope.defer', disposer: call };
    this.#entries.push({ cleanup, hooked: undefined, instance: undefined });
  }

  /** Adds hooks from code that isn't a provider. */
  hook(hooks: ScopeHooks): void {
    this.hasHooks = true;
    this.#entries.push({ cleanup: undefined, hooked: hooks, instance: undefined });
  }

  /**
   * Calls the `onScopeCommit` hooks, newest first, so that a dependent's hook can still write through its dependency before the
   * dependency commits. If a hook throws, its provider is rolled back together with every provider that hasn't committed: those
   * later in this order, and earlier ones without `onScopeCommit`. A transaction whose COMMIT failed may still be open and hold
   * its connection.
   */
  async commit(): Promise<CommitEnd> {
    const hooked = this.hooked();
    let hasCommitted = false;
    for (const [index, instance] of hooked.entries()) {
      try {
        if ((await instance.onScopeCommit?.()) === 'committed') hasCommitted = true;
      } catch (error) {
        return {
          failure: { error, hasCommitted },
          rollbackErrors: await rollBack(
            hooked.filter((other, at) => at >= index || typeof commitHookOf(other) !== 'function'),
            error,
          ),
        };
      }
    }
    return { rollbackErrors: [] };
  }

  /** Calls every `onScopeRollback`, newest first, even if one throws. */
  rollback(error: unknown): Promise<unknown[]> {
    return rollBack(this.hooked(), error);
  }

  /**
   * Disposes the entries newest first, one after the other, and never stops at an error.
   *
   * @returns the errors, or a promise of them; undefined if there is nothing to dispose.
   */
  dispose(timeoutMs: number): readonly unknown[] | Promise<readonly unknown[]> | undefined {
    this.isDisposing = true;
    if (this.#entries.length === 0) return undefined;
    const errors: unknown[] = [];
    const pending = this.disposeUntilPending(errors, timeoutMs);
    return pending === undefined ? errors : this.disposeRest(pending, errors, timeoutMs);
  }

  private async disposeRest(
    first: Disposing,
    errors: unknown[],
    timeoutMs: number,
  ): Promise<readonly unknown[]> {
    let pending: Disposing | undefined = first;
    while (pending !== undefined) {
      const failure = await pending;
      if (failure !== undefined) errors.push(failure.error);
      pending = this.disposeUntilPending(errors, timeoutMs);
    }
    return errors;
  }

  /** Disposes entries, newest first, until a disposer returns a promise. Returns that promise; undefined once all are disposed. */
  private disposeUntilPending(errors: unknown[], timeoutMs: number): Disposing | undefined {
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      const outcome = this.disposeEntry(entry, timeoutMs);
      if (isPromise(outcome)) return outcome;
      if (outcome !== undefined) errors.push(outcome.error);
    }
    return undefined;
  }

  private disposeEntry(
    { cleanup, instance }: Entry,
    timeoutMs: number,
  ): DisposeFailure | undefined | Disposing {
    const outcome = cleanup && runCleanup(cleanup, timeoutMs, this.failedLate);
    if (instance === undefined) return outcome;
    if (cleanup !== undefined) this.disposed += 1;
    if (isPromise(outcome)) return outcome.finally(() => this.ownership.release(instance));
    this.ownership.release(instance);
    return outcome;
  }

  /** Removes and returns the entry that `add` has just made; returns undefined if it made none. */
  takeNewest(instance: unknown): LateEntry | undefined {
    const entry = this.#entries.at(-1);
    if (entry === undefined || entry.instance !== instance) return undefined;
    this.#entries.pop();
    return {
      dispose: async (timeoutMs) => {
        const failure = await this.disposeEntry(entry, timeoutMs);
        if (failure !== undefined) this.failedLate(failure.error);
      },
    };
  }

  /**
   * Returns everything that has hooks, newest first. A provider that commits last is moved behind the providers that were built
   * before it. Those providers don't inject it, so without this move, the order would be arbitrary. The provider's hooks still
   * run before hooks that were added to the scope earlier.
   */
  private hooked(): Hooked[] {
    const order: Entry[] = [];
    const last: Entry[] = [];
    for (const entry of this.#entries.toReversed()) {
      if (entry.hooked === undefined) continue;
      if (entry.instance === undefined) order.push(...last.splice(0));
      (commitsLast(entry) ? last : order).push(entry);
    }
    return [...order, ...last].map(({ hooked }) => hooked!);
  }
}

function commitsLast({ instance }: Entry): boolean {
  return instance !== undefined && readMember(instance, COMMITS_LAST) === true;
}

function hasEndHook(instance: object): instance is Hooked {
  return (
    typeof commitHookOf(instance) === 'function' || typeof rollbackHookOf(instance) === 'function'
  );
}

async function rollBack(hooked: readonly Hooked[], cause: unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const instance of hooked) {
    try {
      await instance.onScopeRollback?.(cause);
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

/** Returns the first disposer that an object has, out of `Symbol.asyncDispose`, `Symbol.dispose` and `onModuleDestroy`. */
function disposerOf(instance: object): Cleanup | undefined {
  for (const { text, of } of DISPOSERS) {
    const disposer = of(instance);
    if (typeof disposer === 'function') return { instance, method: text, disposer };
  }
  return undefined;
}

/**
 * Calls a cleanup and waits for it, for at most `timeoutMs`. Returns no promise if there is nothing to wait for. Never throws and
 * never rejects: a cleanup that fails must not stop the next one.
 */
function runCleanup(
  cleanup: Cleanup,
  timeoutMs: number,
  failedLate: (error: unknown) => void,
): DisposeFailure | undefined | Disposing {
  try {
    const result: unknown = cleanup.disposer.call(cleanup.instance);
    if (!isThenable(result)) return undefined;
    const hung = (): Error => new DisposeTimeoutError(nameOf(cleanup), timeoutMs);
    return within(result, timeoutMs, hung, failedLate).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
  } catch (error) {
    return { error };
  }
}

/** Returns the name of a cleanup, in the form `Class.method`. */
function nameOf({ instance, method }: Cleanup): string {
  if (instance === undefined) return method;
  const { name } = (readMember(instance, 'constructor') ?? {}) as { name?: unknown };
  return `${typeof name === 'string' && name !== '' ? name : 'Object'}.${method}`;
}
