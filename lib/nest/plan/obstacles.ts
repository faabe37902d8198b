import { readMember } from '../../util/values.js';
import type { NestWrapper } from '../nest-types.js';
import { initHookOf } from '../preparation.js';
import { isFactory, isSingleton } from '../provider-kind.js';

/**
 * Returns why no plan can build a provider, as a clause; undefined if a plan can.
 *
 * @param instance an instance of the provider, if one has been built. Otherwise, the prototype of its class shows its methods.
 */
export function obstacleOf(wrapper: NestWrapper, instance?: unknown): string | undefined {
  const name = String(wrapper.name);
  const shown = instance ?? (isFactory(wrapper) ? undefined : wrapper.metatype?.prototype);
  if (wrapper.forwardRef === true) return `${name} is injected with forwardRef()`;
  if (wrapper.isDependencyTreeDurable()) return `${name} is durable`;
  if (typeof readMember(shown as object, 'then') === 'function')
    return `${name} has a then() method`;
  if (typeof initHookOf(shown as object) === 'function') return `${name} has onScopeInit()`;
  return undefined;
}

/** The clause for a worker whose enhancer Nest builds for each tick. */
export const SCOPED_ENHANCER = 'it has a request-scoped guard, interceptor, pipe or filter';

/** Returns true if Nest builds one of the provider's own enhancers for each context. */
export function hasScopedEnhancer(wrapper: NestWrapper): boolean {
  return (wrapper.getEnhancersMetadata() ?? []).some(
    // Nest 11.0 replaces the wrapper of a class after recording it.
    (enhancer) => !isSingleton(enhancer.host?.injectables.get(enhancer.token) ?? enhancer),
  );
}
