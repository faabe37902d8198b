import { REQUEST } from '@nestjs/core';
import { livesInScope, type GraphProvider, type LifetimeGraph } from '../graph/index.js';
import type { InspectedProvider } from './inspection.js';

/** What is built for a tick of a worker, as a tree of dependencies. */
export function workerTree(worker: GraphProvider, graph: LifetimeGraph): InspectedProvider {
  const shown = new Set<number>();
  const under = new Set<number>();
  const show = (provider: GraphProvider): InspectedProvider => {
    const { name, module, kind, lifetime, disposer, scopeHooks } = provider;
    const isRepeated = shown.has(provider.id) && lifetime !== 'transient';
    // A circle of transients cannot be built, but must not keep the inspector busy for ever.
    const isOpened = livesInScope(provider) && !isRepeated && !under.has(provider.id);
    shown.add(provider.id);
    under.add(provider.id);
    const dependencies = isOpened ? graph.dependenciesOf(provider).map(show) : [];
    under.delete(provider.id);
    return {
      name,
      module,
      lifetime,
      isFactory: kind === 'factory',
      why: whyItLives(provider, graph),
      disposer: livesInScope(provider) ? disposer : undefined,
      scopeHooks: livesInScope(provider) ? scopeHooks : [],
      isRepeated: isRepeated && livesInScope(provider),
      dependencies,
    };
  };
  return show(worker);
}

/**
 * What is disposed at the end of a tick, newest first: the reverse of the order of construction. Nest builds what is injected side
 * by side at the same time, so what has more levels of dependencies under it is finished later; then come properties, and
 * guards and their like after what they stand on. A dependency always comes before what depends on it. Between two that depend on
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

function whyItLives(provider: GraphProvider, graph: LifetimeGraph): string {
  switch (provider.lifetime) {
    case 'singleton':
      return 'shared with the whole application';
    case 'request':
      return 'request-scoped by itself';
    case 'transient':
      return 'transient: one for each that injects it';
    case 'durable':
      return 'durable: shared by the ticks of one context';
    case 'bubbled': {
      const way = graph.wayToRequestScope(provider)?.slice(1);
      const names = (way ?? []).map(({ name }) => name);
      return names.length === 0
        ? 'depends on something request-scoped'
        : `because of ${names.join(' -> ')}`;
    }
  }
}
