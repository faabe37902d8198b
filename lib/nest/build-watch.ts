import { observerOf } from './context-id.js';
import { watchDeferredLoads } from './deferred-loads.js';
import type { NestInjector } from './nest-types.js';
import { observe, observedBuild } from './observed-build.js';
import { watchProperties } from './resolved-properties.js';

const watched = new WeakSet<NestInjector>();

/**
 * Observes what an injector builds. Every `ModuleRef` has an injector, which its `resolve()` uses. So the observer sees the worker
 * and its dependencies as well as the providers that a handler resolves by hand.
 *
 * `Injector#instantiateClass` is the only place where Nest calls a constructor or a factory. Up to 11.1.19, its fourth argument is
 * the context id; from 11.1.24 on, it is a resolution context that contains the id.
 */
export function watchBuilds(injector: NestInjector): void {
  if (watched.has(injector)) return;
  watched.add(injector);
  watchProperties(injector);
  watchDeferredLoads(injector);
  const { instantiateClass, loadPerContext } = injector;

  injector.loadPerContext = function <T>(
    this: NestInjector,
    ...args: Parameters<NestInjector['loadPerContext']>
  ): Promise<T> {
    const [, , , contextId, wrapper] = args;
    const refusal = observerOf(contextId)?.refusalOf(wrapper);
    if (refusal !== undefined) return Promise.reject(refusal);
    return loadPerContext.apply(this, args) as Promise<T>;
  };

  injector.instantiateClass = function (this: NestInjector, ...args: unknown[]): Promise<unknown> {
    const build = observedBuild(injector, args);
    if (build === undefined) return instantiateClass.apply(this, args);
    return observe(build, (given) => instantiateClass.apply(this, given));
  };
}
