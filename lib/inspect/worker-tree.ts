import { livesInScope, type GraphProvider, type LifetimeGraph } from '../graph/index.js';
import { isInternalToken } from '../nest/index.js';
import type { InspectedProvider } from './inspection.js';
import { instanceOf, lifetimeOwner, inSteps, type Steps } from './instance-of.js';

/**
 * Returns the tree of dependencies that Nest builds for a tick of a worker.
 *
 * @param around scoped global enhancers, which follow the dependencies of the worker itself.
 */
export function workerTree(
  worker: GraphProvider,
  around: readonly GraphProvider[],
  graph: LifetimeGraph,
): InspectedProvider {
  const shown = new Set<string>();
  const under = new Set<number>();
  const show = function* (provider: GraphProvider, owner: GraphProvider): Steps<InspectedProvider> {
    const { name, module, kind, lifetime, disposer, scopeHooks } = provider;
    const key = instanceOf(provider, owner);
    const isRepeated = shown.has(key);
    // Nest cannot build a circle of transients, but the inspector must not loop forever.
    const isOpened = livesInScope(provider) && !isRepeated && !under.has(provider.id);
    shown.add(key);
    under.add(provider.id);
    const dependencies: InspectedProvider[] = [];
    const next = isOpened
      ? graph.dependenciesOf(provider).filter(({ token }) => !isInternalToken(token))
      : [];
    const nextOwner = lifetimeOwner(provider, owner);
    for (const dependency of provider === worker && isOpened ? [...next, ...around] : next)
      dependencies.push((yield show(dependency, nextOwner)) as InspectedProvider);
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
  return inSteps(show(worker, worker));
}

function whyItLives(provider: GraphProvider, graph: LifetimeGraph): string {
  switch (provider.lifetime) {
    case 'singleton':
      return 'shared with the whole application';
    case 'request':
      return 'declared request-scoped';
    case 'transient':
      return 'transient: one for each provider that injects it';
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
