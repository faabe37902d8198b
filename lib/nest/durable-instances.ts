import { objectsOf } from './context-instances.js';
import { holdsDecorated } from './holding.js';
import { injectionsOf } from './injections.js';
import type { ContextId, NestInjector, NestWrapper } from './nest-types.js';

/** Returns true for a durable provider that a context id strategy assigns to a parent, where Nest stores it. */
export function livesElsewhere(
  injector: NestInjector,
  wrapper: NestWrapper,
  contextId: ContextId,
): boolean {
  return injector.getContextId(contextId, wrapper) !== contextId;
}

/** Returns true if a durable provider that is injected into the factory holds the result, for example the pool of a tenant. */
export function isHeldByDurable(
  injector: NestInjector,
  made: unknown,
  wrapper: NestWrapper,
  contextId: ContextId,
): boolean {
  if (contextId.getParent === undefined || typeof made !== 'object' || made === null) return false;
  const holders = injectionsOf(wrapper).flatMap(({ wrapper: injected }) => {
    const home = injector.getContextId(contextId, injected);
    return home === contextId ? [] : objectsOf(injected, home);
  });
  return holdsDecorated(holders, made);
}
