import { isFactory, type StaticHoldings, type NestWrapper, bare } from '../nest/index.js';
import { getOrAdd, isObject, readMember } from '../util/values.js';
import type { ScopeFindings } from './scope-ports.js';
import { InvalidOptionsError } from '../errors/errors.js';

/** Marks scopes: a factory may return one, and a scope must not dispose itself or another scope. */
export const IS_SCOPE = Symbol('nestjs-scoped-worker:is-scope');

/**
 * Decides which objects a scope owns, out of those that Nest built under its context id. Looks at the instance itself, without
 * the decoration of an `instanceDecorator`.
 *
 * A scope owns only objects, and nothing that comes from an alias. It doesn't own an object that was claimed earlier, such as the
 * repeated result of a factory. Nor does it own an object that a factory marked as `shared()`, or that a factory returns although
 * a static provider holds it.
 */
export class Ownership {
  readonly #owned = new WeakSet<object>();
  readonly #heldResults = new WeakMap<NestWrapper, boolean>();

  constructor(
    private readonly statics: StaticHoldings,
    private readonly findings: ScopeFindings,
  ) {}

  /** Returns true if a scope may own the instance; false for a scope, for a shared object, and for anything from an alias. */
  isCandidate(instance: unknown, wrapper: NestWrapper): instance is object {
    if (!isObject(instance) || wrapper.isAlias || isShared(instance)) return false;
    return readMember(instance, IS_SCOPE) !== true;
  }

  /**
   * Returns true if an object without hooks or disposers counts as built. Here, a factory is judged by its first result:
   * searching the static providers on every tick would only improve a statistic.
   */
  counts(instance: object, wrapper: NestWrapper): boolean {
    if (!isFactory(wrapper)) return true;
    return !getOrAdd(this.#heldResults, wrapper, () => {
      const isHeld = this.statics.holds(instance);
      if (isHeld) this.findings.sharedByFactory(wrapper);
      return isHeld;
    });
  }

  /** Returns true for an instance that a scope will own, as far as that is known right after the instance is constructed. */
  willOwn(instance: unknown, wrapper: NestWrapper): boolean {
    if (!this.isCandidate(instance, wrapper) || this.#owned.has(instance)) return false;
    return !this.isHeld(instance, wrapper);
  }

  /** Returns true for an object that a factory returned, but that a static provider holds. */
  isHeld(instance: object, wrapper: NestWrapper): boolean {
    return isFactory(wrapper) && this.statics.holds(instance);
  }

  /** Claims an object that has a disposer or a hook. @returns false if it is already claimed, or if `isHeld()` returns true. */
  claim(instance: object, wrapper: NestWrapper): boolean {
    if (this.#owned.has(instance)) return false;
    if (this.isHeld(instance, wrapper)) {
      this.findings.sharedByFactory(wrapper);
      return false;
    }
    this.#owned.add(instance);
    return true;
  }

  /** Releases an object that was disposed: a factory may return it again, as a pool does. */
  release(instance: object): void {
    this.#owned.delete(instance);
  }
}

const sharedObjects = new WeakSet<object>();

/** False until the first call to `shared()`, so that `isShared()` can skip the lookup. */
let hasSharedObjects = false;

/**
 * Marks an object from a request-scoped factory as shared: no scope disposes it, calls its commit or rollback hooks, or
 * counts it as built. Use this function for an object that lives longer than the scope, in a place that the library can't see (a
 * private field, a closure).
 *
 * @example { provide: POOL, scope: Scope.REQUEST, useFactory: (pools: Pools) => shared(pools.get('eu')) }
 * @returns the object itself.
 * @throws {InvalidOptionsError} if the value isn't an object or a function, such as `undefined` from a `Map` without the key.
 * @publicApi
 */
export function shared<T extends object>(value: T): T {
  if (!isObject(value))
    throw new InvalidOptionsError([
      `shared() takes an object or a function, not ${String(value)}.`,
    ]);
  sharedObjects.add(bare(value));
  hasSharedObjects = true;
  return value;
}

/** @internal */
export function isShared(value: object): boolean {
  return hasSharedObjects && sharedObjects.has(value);
}
