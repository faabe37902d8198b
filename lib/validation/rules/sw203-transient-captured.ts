import { namesOf, type GraphProvider } from '../../graph/lifetime-graph.js';
import { arrows, finding, type Finding } from '../../errors/finding.js';
import type { TickGraph } from '../tick-graph.js';

/** Reports a transient that has a disposer and that a singleton holds, directly or through other transients. */
export function transientCaptured(ticks: TickGraph): Finding[] {
  return ticks.graph.providers
    .filter(({ lifetime, disposer }) => lifetime === 'transient' && disposer !== undefined)
    .flatMap((transient) =>
      holdersOf(transient, ticks).map((links) => {
        const { name, token, disposer } = transient;
        const chain = namesOf(links);
        const [holder, held] = chain;
        const isKnownToNest = disposer === 'onModuleDestroy';
        const end = isKnownToNest
          ? 'Nest disposes it only when the application closes.'
          : `Nothing disposes it, because Nest never calls ${disposer}.`;
        const message = `${name} is transient and has ${disposer}, but the singleton ${holder} holds one (${arrows(chain)}) for as long as the application runs. ${end} Make ${name} a singleton${isKnownToNest ? '' : ' and dispose it in onModuleDestroy'}. Or inject ProviderScopeFactory into ${holder} as scopes, and resolve ${held} in scopes.run(async (scope) => { ... }).`;
        return finding({ kind: 'transient-captured', subject: name, token, chain, message });
      }),
    );
}

/** Returns the chains from singletons to a transient. */
function holdersOf(transient: GraphProvider, { graph }: TickGraph): (readonly GraphProvider[])[] {
  const found: (readonly GraphProvider[])[] = [];
  const seen = new Set<number>([transient.id]);
  const chains: (readonly [GraphProvider, ...GraphProvider[]])[] = [[transient]];
  for (const links of chains) {
    for (const dependent of graph.dependentsOf(links[0])) {
      // A factory may merely read what it injects, without holding it.
      if (seen.has(dependent.id) || dependent.kind === 'factory') continue;
      seen.add(dependent.id);
      const longer = [dependent, ...links] as const;
      if (dependent.lifetime === 'singleton' && dependent.kind !== 'alias') found.push(longer);
      else if (dependent.lifetime === 'transient' || dependent.kind === 'alias')
        chains.push(longer);
    }
  }
  return found;
}
