import type { GraphProvider } from '../graph/index.js';

/** Nest builds a transient once for each provider that injects it, by itself or through other transients. */
export function instanceOf({ id, lifetime }: GraphProvider, owner: GraphProvider): string {
  return lifetime === 'transient' ? `${id} of ${owner.id}` : `${id}`;
}

/** What the transients under a provider are built for. */
export function lifetimeOwner(provider: GraphProvider, owner: GraphProvider): GraphProvider {
  return provider.lifetime === 'transient' ? owner : provider;
}
