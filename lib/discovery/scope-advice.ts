import type { GraphProvider, LifetimeGraph } from '../graph/lifetime-graph.js';
import { isOwnToken } from '../nest/index.js';

/**
 * Says what a singleton does in place of injecting a scoped provider: the beginning of the advice, and what to resolve in a scope by
 * hand. Scoped repositories have no class, so a scope would take that of the last module that has one, perhaps with another
 * transaction option.
 */
export function inPlaceOf(
  dependency: GraphProvider,
  graph: LifetimeGraph,
): { readonly first: string; readonly resolve: string } {
  const { name, kind } = dependency;
  const parts = [dependency, ...graph.dependenciesOf(dependency)];
  return kind !== 'class' && parts.some(({ token }) => isOwnToken(token))
    ? {
        first: `Move the code that uses ${name} to a request-scoped class, and`,
        resolve: 'that class',
      }
    : { first: `Instead of ${name},`, resolve: name };
}
