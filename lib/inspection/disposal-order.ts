import { REQUEST } from '@nestjs/core';
import { livesInScope, type GraphProvider, type LifetimeGraph } from '../graph/index.js';

/**
 * What is disposed at the end of a tick, newest first: the reverse of the order of construction. Nest builds what is injected side
 * by side at the same time, so what has more levels of dependencies under it is finished later; then come properties, and
 * guards and their like after what they stand on. A dependency is always disposed after what depends on it. Between two that depend on
 * nothing in common the real order may be another one: a factory, say, or an `onScopeInit`, takes its time. What a factory returns is
 * not known before it runs.
 */
export function disposalOf(worker: GraphProvider, graph: LifetimeGraph): string[] {
  const built: {
    readonly provider: GraphProvider;
    readonly finished: number;
  }[] = [];
  const known = new Map<string, number>();
  /** @returns the round in which it is finished. */
  const build = (provider: GraphProvider, owner: GraphProvider, begun: number): number => {
    if (!livesInScope(provider)) return begun;
    const isTransient = provider.lifetime === 'transient';
    // Nest builds a transient once for each provider that injects it, by itself or through other transients.
    const key = isTransient ? `${provider.id} of ${owner.id}` : `${provider.id}`;
    const before = known.get(key);
    if (before !== undefined) return Math.max(before, begun);
    known.set(key, begun); // for circles
    const ownOwner = isTransient ? owner : provider;
    let round = begun;
    let start = begun;
    const buildAll = (at: (edge: string) => boolean): void => {
      start = round;
      for (const edge of provider.dependencies)
        if (at(edge.at)) round = Math.max(round, build(graph.at(edge.to), ownOwner, start));
    };
    buildAll((at) => !at.startsWith('property ') && at !== 'enhancer');
    buildAll((at) => at.startsWith('property '));
    round += 1;
    built.push({ provider, finished: round });
    buildAll((at) => at === 'enhancer');
    known.set(key, round);
    return round;
  };
  build(worker, worker, 0);
  return built
    .toSorted((one, other) => one.finished - other.finished)
    .flatMap(({ provider }) => disposed(provider))
    .reverse();
}

function disposed({ token, kind, name, type, disposer }: GraphProvider): string[] {
  if (token === REQUEST) return []; // the tick
  if (kind === 'factory') return [`what the factory of ${name} returns`];
  return disposer === undefined ? [] : [`${type?.name || name}.${disposer}`];
}
