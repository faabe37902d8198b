import type { GraphProvider, LifetimeGraph } from '../graph/lifetime-graph.js';
import { isOwnToken } from '../nest/index.js';

/**
 * Returns the advice for a singleton that injects a scoped provider: its first words, and what to resolve in a standalone scope
 * instead. Scoped repositories have no class, so a scope would take the repository from the last module that provides it, perhaps
 * with another transaction option.
 */
export function inPlaceOf(
  dependency: GraphProvider,
  graph: LifetimeGraph,
): { readonly first: string; readonly resolve: string } {
  const { name, kind } = dependency;
  const parts = [dependency, ...graph.dependenciesOf(dependency)];
  return kind !== 'class' && parts.some(({ token }) => isOwnToken(token))
    ? {
        first: `Move the code that uses ${name} into a request-scoped class, and`,
        resolve: 'that class',
      }
    : { first: `Instead of ${name},`, resolve: name };
}
