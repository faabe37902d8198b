import { getOrAdd, isObject } from '../util/values.js';
import type { BuildObserver } from './build-observer.interface.js';
import { isBeingBuilt, isBuilt } from './context-instances.js';
import { bare } from './decorations.js';
import { injectionsOf } from './injections.js';
import type { ContextId, NestInjector, NestProperty, NestWrapper } from './nest-types.js';

/** Everything that was injected into a transient, by the transient. */
const transients = new WeakMap<object, readonly unknown[]>();

/** The durable providers that were built for a context id, and the transients that were built for them. */
const outliving = new WeakMap<ContextId, OutlivingBuild[]>();

/** The members of circular dependencies that have failed under a context id, with their errors. */
const failures = new WeakMap<ContextId, Map<NestWrapper, unknown>>();

/** Returns true for a transient that a durable provider may turn out to hold, perhaps inside another transient. */
export function mayBeHeld(wrapper: NestWrapper, contextId: ContextId): boolean {
  return wrapper.isTransient && contextId.getParent !== undefined;
}

/** Remembers a transient for which `mayBeHeld()` is true. A factory may pass on another transient, which is already known. */
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

/** Follows the build of a durable provider: if it succeeds, the provider holds the transients that were injected into it. */
export async function followDurable(
  building: Promise<unknown>,
  injected: readonly unknown[],
  build: OutlivingBuild,
): Promise<unknown> {
  const instance = await building;
  noteOutliving(build);
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
  noteOutliving(build);
  return instance;
}

/** @throws the error of a member of a circular dependency that has failed, if the new instance depends on it. */
function noteOutliving(build: OutlivingBuild): void {
  for (const [member, error] of failures.get(build.contextId) ?? [])
    if (dependsOn(build.wrapper, member)) throw error;
  getOrAdd(outliving, build.contextId, () => []).push(build);
}

/**
 * Fails the durable providers, and the transients for them, that depend on a failed member of a circular dependency. Where Nest
 * doesn't wait for the member, its dependents are complete before it fails, and every later scope would receive them.
 */
export function failDependents(member: NestWrapper, contextId: ContextId, error: unknown): void {
  getOrAdd(failures, contextId, () => new Map()).set(member, error);
  for (const { wrapper, holder, injector } of outliving.get(contextId) ?? [])
    if (dependsOn(wrapper, member))
      wrapper.removeInstanceByContextId(injector.getContextId(contextId, wrapper), holder?.id);
}

function dependsOn(dependent: NestWrapper, wrapper: NestWrapper): boolean {
  const reached = new Set([dependent]);
  for (const each of reached)
    for (const injection of injectionsOf(each)) reached.add(injection.wrapper);
  return reached.has(wrapper);
}

/** The build of a durable provider, or of a transient for one. */
interface OutlivingBuild {
  readonly wrapper: NestWrapper;
  readonly contextId: ContextId;
  readonly injector: NestInjector;
  readonly observer: BuildObserver;
  /** The durable provider for which Nest builds a transient. */
  readonly holder?: NestWrapper | undefined;
}
