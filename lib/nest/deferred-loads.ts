import { getOrAdd } from '../util/values.js';
import { contextIdOf, observerOf } from './context-id.js';
import { failDependents } from './cycle-failures.js';
import type { ContextId, NestInjector, NestWrapper } from './nest-types.js';
import { isPreparing } from './preparation.js';

/** Reports the loads that an injector doesn't wait for: loads of members of circular dependencies. */
export function watchDeferredLoads(injector: NestInjector): void {
  const { waitForDeferredLoads, addDeferredLoad } = injector;
  if (waitForDeferredLoads === undefined) return deferLoads(injector);
  // Nest waits for these loads only during other loads by the same injector.
  injector.addDeferredLoad = function (this: NestInjector, ...args) {
    const [contextId, loading] = args;
    observerOf(contextId)?.notAwaited(loading);
    addDeferredLoad?.apply(this, args);
  };
  injector.waitForDeferredLoads = function (this: NestInjector, contextId: ContextId) {
    const observer = observerOf(contextId);
    // A member of a cycle may resolve a provider during the member's preparation. The load of that provider would wait for the
    // member, and neither would finish.
    if (observer !== undefined && isPreparing(observer)) return Promise.resolve();
    return waitForDeferredLoads.call(this, contextId);
  };
}

/**
 * Defers the loads of an injector without `waitForDeferredLoads()` (11.0.0 to 11.2.9, and 12.0 and 12.1). Such an injector loads
 * members of a circular dependency without waiting, loses their errors and repeats failed loads. Two members that fail would load
 * each other again and again, so each member is loaded only once for each context id, and a transient once for each dependent.
 */
function deferLoads(injector: NestInjector): void {
  const { loadProvider } = injector;
  const loads = new WeakMap<ContextId, Map<NestWrapper, Map<unknown, Promise<unknown>>>>();

  injector.loadProvider = function (this: NestInjector, ...args: unknown[]): Promise<unknown> {
    const load = (): Promise<unknown> => loadProvider.apply(this, args);
    const wrapper = args[0] as NestWrapper;
    const contextId = contextIdOf(args[2]);
    const observer = observerOf(contextId);
    if (observer === undefined || wrapper.forwardRef !== true) return load();
    const ofScope = getOrAdd(loads, contextId!, () => new Map());
    const ofWrapper = getOrAdd(ofScope, wrapper, () => new Map());
    const inquirerId = wrapper.isTransient ? inquirerIdOf(args) : undefined;
    const loading = getOrAdd(ofWrapper, inquirerId, () =>
      load().catch((error: unknown) => {
        failDependents(wrapper, contextId!, error);
        throw error;
      }),
    );
    observer.notAwaited(loading);
    return loading.catch(() => undefined); // the observer throws the error
  };
}

/** Returns the id under which Nest stores the transient that a call to `Injector#loadProvider` loads. */
function inquirerIdOf([, , context, inquirer]: readonly unknown[]): string | undefined {
  const { effectiveInquirerId, inquirer: dependent = inquirer } = context as NestResolution;
  return effectiveInquirerId ?? (dependent as NestWrapper | undefined)?.id;
}

/** The part of a resolution context that this file reads. Before 11.1.24, Nest passes the context id in its place. */
interface NestResolution {
  readonly inquirer?: NestWrapper;
  readonly effectiveInquirerId?: string;
}
