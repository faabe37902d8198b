import { getOrAdd, reachable } from '../util/values.js';
import type { BuildObserver } from './build-observer.interface.js';
import { injectionsOf } from './injections.js';
import type { ContextId, NestInjector, NestWrapper } from './nest-types.js';

/** The build of a durable provider, or of a transient for one: the instance outlives the scope for which Nest builds it. */
export interface OutlivingBuild {
  readonly wrapper: NestWrapper;
  readonly contextId: ContextId;
  readonly injector: NestInjector;
  readonly observer: BuildObserver;
  /** The durable provider for which Nest builds a transient. */
  readonly holder?: NestWrapper | undefined;
}

/** The builds under a context id that have succeeded. */
const outliving = new WeakMap<ContextId, OutlivingBuild[]>();

/** The members of circular dependencies that have failed under a context id, with their errors. */
const failures = new WeakMap<ContextId, Map<NestWrapper, unknown>>();

/** Records a build that has succeeded. @throws the error of a failed member on which the build depends. */
export function recordOutliving(build: OutlivingBuild): void {
  for (const [member, error] of failures.get(build.contextId) ?? [])
    if (dependsOn(build.wrapper, member)) throw error;
  getOrAdd(outliving, build.contextId, () => []).push(build);
}

/**
 * Removes the durable providers, and the transients built for them, that depend on a failed member of a circular dependency. Where
 * Nest doesn't wait for the member, its dependents are complete before it fails, and every later scope would receive them.
 */
export function failDependents(member: NestWrapper, contextId: ContextId, error: unknown): void {
  getOrAdd(failures, contextId, () => new Map()).set(member, error);
  for (const { wrapper, holder, injector } of outliving.get(contextId) ?? [])
    if (dependsOn(wrapper, member))
      wrapper.removeInstanceByContextId(injector.getContextId(contextId, wrapper), holder?.id);
}

function dependsOn(dependent: NestWrapper, dependency: NestWrapper): boolean {
  const next = (wrapper: NestWrapper): NestWrapper[] =>
    injectionsOf(wrapper).map((injection) => injection.wrapper);
  return reachable(dependent, next).has(dependency);
}
