import type { GraphProvider } from '../graph/index.js';
import type { FindingKind } from '../errors/finding.js';
import type { TickGraph } from './tick-graph.js';

/** A provider with the chain to the provider that makes it request-scoped, including both. */
export interface Rebuilt {
  readonly provider: GraphProvider;
  readonly way: readonly GraphProvider[];
}

/**
 * Keeps only the provider nearest to the request-scoped dependency, because fixing it fixes the others on the chain. A provider
 * that is allowed stays as it is, so it doesn't cover others.
 */
export function nearestOf(
  kind: FindingKind,
  rebuilt: readonly GraphProvider[],
  { graph, allows }: TickGraph,
): Rebuilt[] {
  const ids = new Set(rebuilt.filter((provider) => !allows(kind, provider)).map(({ id }) => id));
  return rebuilt.flatMap((provider) => {
    if (graph.wayToRequestScope(provider) === undefined) return [{ provider, way: [provider] }];
    // A provider is covered if each of its chains leads through another one.
    const way = graph.wayToRequestScope(provider, ({ id }) => id === provider.id || !ids.has(id));
    return way === undefined ? [] : [{ provider, way }];
  });
}
