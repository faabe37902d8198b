import type { GraphProvider } from '../graph/index.js';
import type { FindingKind } from '../errors/finding.js';
import type { TickGraph } from './tick-graph.js';

/** A provider with the way to what makes it request-scoped, both ends included. */
export interface Rebuilt {
  readonly provider: GraphProvider;
  readonly way: readonly GraphProvider[];
}

/**
 * Of providers on one way only the one next to the request-scoped end: when it is mended, those before it are. One that is
 * allowed will not be mended, and stands for none.
 */
export function nearestOf(
  kind: FindingKind,
  rebuilt: readonly GraphProvider[],
  { graph, allows }: TickGraph,
): Rebuilt[] {
  const ids = new Set(rebuilt.filter((provider) => !allows(kind, provider)).map(({ id }) => id));
  return rebuilt.flatMap((provider) => {
    if (graph.wayToRequestScope(provider) === undefined) return [{ provider, way: [provider] }];
    // Mended are those of which every way leads through another one.
    const way = graph.wayToRequestScope(provider, ({ id }) => id === provider.id || !ids.has(id));
    return way === undefined ? [] : [{ provider, way }];
  });
}
