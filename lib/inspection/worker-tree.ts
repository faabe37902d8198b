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
