import { isObject } from '../util/values.js';
import type { BuildObserver } from './build-observer.interface.js';
import { isBeingBuilt, isBuilt } from './context-instances.js';
import { recordOutliving, type OutlivingBuild } from './cycle-failures.js';
import { bare } from './decorations.js';
import type { ContextId, NestProperty, NestWrapper } from './nest-types.js';

/** Everything that was injected into a transient, keyed by that transient. */
const transients = new WeakMap<object, readonly unknown[]>();

/** Returns true for a transient that a durable provider may turn out to hold, perhaps inside another transient. */
export function mayBeHeld(wrapper: NestWrapper, contextId: ContextId): boolean {
  return wrapper.isTransient && contextId.getParent !== undefined;
}

/** Remembers a transient for which `mayBeHeld()` is true. A factory may return an injected transient, which is already known. */
export function noteTransient(instance: unknown, injected: readonly unknown[]): void {
  const own = bare(instance);
  if (isObject(own) && !transients.has(own)) transients.set(own, injected);
}

/** Returns everything that a call to `Injector#instantiateClass` injects. */
export function injectedBy(
  args: readonly unknown[],
  properties: readonly NestProperty[],
): unknown[] {
  return [...(args[0] as unknown[]), ...properties.map(({ instance }) => instance)];
}

/**
 * Reports to the observer that a durable provider holds the transients among `injected`, and those inside them. Nest builds them
 * first, and the inquirer of a transient doesn't always lead to the durable provider.
 */
export function leaveToDurable(injected: readonly unknown[], observer: BuildObserver): void {
  for (const value of injected) {
    const instance = bare(value);
    const inner = isObject(instance) ? transients.get(instance) : undefined;
    if (inner === undefined) continue;
    transients.delete(instance as object);
    observer.outlives(instance as object);
    leaveToDurable(inner, observer);
  }
}

/**
 * Follows the build of a durable provider, or of a transient that depends on one. If it succeeds, the new instance holds the
 * transients that were injected into it.
 */
export async function followDurable(
  building: Promise<unknown>,
  injected: readonly unknown[],
  build: OutlivingBuild,
): Promise<unknown> {
  const instance = await building;
  recordOutliving(build);
  leaveToDurable(injected, build.observer);
  return instance;
}

/** Follows the build of a transient for a durable provider, whose own build may fail later. */
export async function followHeld(
  building: Promise<unknown>,
  injected: readonly unknown[],
  build: OutlivingBuild & { readonly holder: NestWrapper },
): Promise<unknown> {
  const { wrapper, holder, contextId, injector, observer } = build;
  const instance = await building;
  const own = bare(instance);
  if (!isObject(own)) return instance;
  noteTransient(own, injected);
  const home = injector.getContextId(contextId, holder);
  // In a circular dependency, the durable provider may be complete before it receives the transient.
  const isCircular = wrapper.forwardRef === true || holder.forwardRef === true;
  observer.lent(
    own,
    wrapper,
    () => isBeingBuilt(holder, home) || (isCircular && isBuilt(holder, home)),
  );
  recordOutliving(build);
  return instance;
}
