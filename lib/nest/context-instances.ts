import { withMember } from './build-replacement.js';
import type { ContextId, NestInstanceHost, NestWrapper } from './nest-types.js';
import type { Preparation } from './preparation.js';

/**
 * The members of an `InstanceWrapper` that lead to its instances. `existing()` reads the stores only in versions of Nest without
 * `getExistingInstancesByContextId()`.
 */
interface OpenWrapper {
  readonly values?: WeakMap<ContextId, NestInstanceHost>;
  readonly transientMap?: Map<string, WeakMap<ContextId, NestInstanceHost>>;
  getExistingInstancesByContextId?(contextId: ContextId): NestInstanceHost[];
  getInstanceByContextId(...of: unknown[]): NestInstanceHost;
}

/** Returns a wrapper's entries for a context id, without building any. */
function existing(wrapper: NestWrapper, contextId: ContextId): NestInstanceHost[] {
  const open = wrapper as unknown as OpenWrapper;
  if (open.getExistingInstancesByContextId) return open.getExistingInstancesByContextId(contextId);
  const stores = [open.values, ...(open.transientMap?.values() ?? [])];
  return stores.map((store) => store?.get(contextId)).filter((host) => host !== undefined);
}

/** Returns the objects that a provider has under a context id, without building any. */
export function objectsOf(wrapper: NestWrapper, contextId: ContextId): object[] {
  return existing(wrapper, contextId).flatMap(({ instance }) =>
    typeof instance === 'object' && instance !== null ? [instance] : [],
  );
}

/** Returns the ids of the dependents for which Nest stores this instance of a transient under a context id. */
export function inquirerIdsOf(
  wrapper: NestWrapper,
  contextId: ContextId,
  instance: unknown,
): string[] {
  const { transientMap } = wrapper as unknown as OpenWrapper;
  return [...(transientMap ?? [])].flatMap(([id, hosts]) => {
    const host = hosts.get(contextId);
    return host !== undefined && Object.is(host.instance, instance) ? [id] : [];
  });
}

/**
 * Makes the dependents of a new instance wait until it is loaded. Nest marks the instance as resolved when it is constructed, and
 * injects resolved instances without waiting (`Injector#resolveComponentHost`, 11.0.0 to 12.5.1). A dependent may look up the
 * instance in the same turn of the microtask queue, so this class keeps Nest from marking it in the first place.
 */
export class WithheldInstance {
  #host: NestInstanceHost | undefined;
  #isConstructed = false;

  /**
   * @param preparation the instance's preparation. Code that is part of it sees the instance as resolved, so no code waits for
   * itself.
   */
  constructor(private readonly preparation: Preparation) {}

  /** Replaces arguments of `Injector#instantiateClass`, so that Nest doesn't mark the new instance as resolved yet. */
  argumentsFor([instances, wrapper, target, ...rest]: unknown[]): unknown[] {
    const { getInstanceByContextId } = target as OpenWrapper;
    const held = (...of: unknown[]): NestInstanceHost =>
      this.hold(getInstanceByContextId.apply(target, of));
    return [
      instances,
      wrapper,
      withMember(target as NestWrapper, 'getInstanceByContextId', held),
      ...rest,
    ];
  }

  release(): void {
    if (this.#host !== undefined)
      Object.defineProperty(this.#host, 'isResolved', { value: true, writable: true });
  }

  private hold(host: NestInstanceHost): NestInstanceHost {
    this.#host = host;
    return Object.defineProperty(host, 'isResolved', {
      get: () => this.#isConstructed && this.preparation.isAround,
      set: () => {
        this.#isConstructed = true;
      },
      configurable: true,
      enumerable: true,
    });
  }
}

/** Waits until nothing is being built under a context id anymore. */
export async function quiesce(
  wrappers: readonly NestWrapper[],
  contextId: ContextId,
): Promise<void> {
  // Nest still marks a failed host as pending, so this loop awaits each promise only once.
  const awaited = new Set<Promise<unknown>>();
  for (let idle = 0; idle < 2;) {
    // A few microtasks pass between the lookup of a dependency and its build.
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    const pending = buildsInFlight(wrappers, contextId).filter((build) => !awaited.has(build));
    idle = pending.length === 0 ? idle + 1 : 0;
    for (const build of pending) awaited.add(build);
    await Promise.allSettled(pending);
  }
}

/** Returns true while an instance of a provider is being built under a context id. */
export function isBeingBuilt(wrapper: NestWrapper, contextId: ContextId): boolean {
  return buildsInFlight([wrapper], contextId).length > 0;
}

/** Returns true if a provider has a complete instance under a context id. */
export function isBuilt(wrapper: NestWrapper, contextId: ContextId): boolean {
  return existing(wrapper, contextId).some(({ isResolved }) => isResolved);
}

/** Returns the promises of the instances that are being built under a context id. */
function buildsInFlight(
  wrappers: readonly NestWrapper[],
  contextId: ContextId,
): Promise<unknown>[] {
  return wrappers
    .flatMap((wrapper) => existing(wrapper, contextId))
    .flatMap(({ isPending, isResolved, donePromise }) =>
      isPending && !isResolved && donePromise ? [donePromise] : [],
    );
}
