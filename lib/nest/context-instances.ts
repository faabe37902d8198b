import { REQUEST } from '@nestjs/core';
import { injectionsOf } from './injections.js';
import type { ContextId, NestInstanceHost, NestWrapper } from './nest-types.js';

/** An instance that exists under a context id, with the provider it came from. */
export interface ContextInstance {
  readonly instance: unknown;
  readonly wrapper: NestWrapper;
}

/** The stores of `InstanceWrapper`, for versions without `getExistingInstancesByContextId`. */
interface OpenWrapper {
  readonly values?: WeakMap<ContextId, NestInstanceHost>;
  readonly transientMap?: Map<string, WeakMap<ContextId, NestInstanceHost>>;
  getExistingInstancesByContextId?(contextId: ContextId): NestInstanceHost[];
}

/** What a wrapper keeps for a context id; builds nothing. */
function existing(wrapper: NestWrapper, contextId: ContextId): NestInstanceHost[] {
  const open = wrapper as unknown as OpenWrapper;
  if (open.getExistingInstancesByContextId) return open.getExistingInstancesByContextId(contextId);
  const stores = [open.values, ...(open.transientMap?.values() ?? [])];
  return stores.map((store) => store?.get(contextId)).filter((host) => host !== undefined);
}

/** Returns the objects that a provider has under a context id; builds nothing. */
export function objectsOf(wrapper: NestWrapper, contextId: ContextId): object[] {
  return existing(wrapper, contextId).flatMap(({ instance }) =>
    typeof instance === 'object' && instance !== null ? [instance] : [],
  );
}

/** Promises of what is being built under a context id at this moment. */
export function buildsInFlight(
  wrappers: Iterable<NestWrapper>,
  contextId: ContextId,
): Promise<unknown>[] {
  const pending: Promise<unknown>[] = [];
  for (const wrapper of wrappers) {
    for (const host of existing(wrapper, contextId)) {
      if (host.isPending && !host.isResolved && host.donePromise) {
        pending.push(host.donePromise);
      }
    }
  }
  return pending;
}

/**
 * The instances that exist under a context id, what is depended on before what depends on it. The way
 * of finding them when builds cannot be watched; the order is a depth-first walk of the dependencies
 * that Nest recorded, so it is an order of dependence, not of time.
 */
export function instancesInOrder(
  wrappers: Iterable<NestWrapper>,
  contextId: ContextId,
): ContextInstance[] {
  const found = new Map<NestWrapper, unknown[]>();
  for (const wrapper of wrappers) {
    if (wrapper.token === REQUEST || (wrapper.isDependencyTreeStatic() && !wrapper.isTransient))
      continue;
    const instances = existing(wrapper, contextId)
      .filter((host) => host.isResolved)
      .map((host) => host.instance);
    if (instances.length > 0) found.set(wrapper, instances);
  }
  const ordered: ContextInstance[] = [];
  const visited = new Set<NestWrapper>();
  const visit = (wrapper: NestWrapper): void => {
    if (visited.has(wrapper)) return;
    visited.add(wrapper);
    for (const dependency of injectionsOf(wrapper)) visit(dependency.wrapper);
    for (const instance of found.get(wrapper) ?? []) ordered.push({ instance, wrapper });
  };
  for (const wrapper of found.keys()) visit(wrapper);
  return ordered;
}
