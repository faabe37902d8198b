import { InvalidOptionsError } from '../errors/errors.js';
import { bare } from '../nest/index.js';

const sharedObjects = new WeakSet<object>();

/**
 * Marks what a request-scoped factory returns as shared: no scope disposes it, calls its commit or
 * rollback hooks, or counts it as built. For an object that lives longer than the scope, kept where
 * the library cannot see it (a private field, a closure).
 *
 * @example { provide: POOL, scope: Scope.REQUEST, useFactory: (pools: Pools) => shared(pools.get('eu')) }
 * @returns the object itself.
 * @throws {InvalidOptionsError} if the value isn't an object, such as `undefined` from a `Map` without this key.
 * @publicApi
 */
export function shared<T extends object>(value: T): T {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null)
    throw new InvalidOptionsError([
      `shared() takes an object or a function, not ${String(value)}.`,
    ]);
  sharedObjects.add(bare(value));
  return value;
}

/** @internal */
export function isShared(value: object): boolean {
  return sharedObjects.has(value);
}
