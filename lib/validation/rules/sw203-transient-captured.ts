import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';

/** A transient with a disposer that a singleton holds, directly or through other transients. */
export function transientCaptured(ticks: TickGraph): Finding[] {
  return ticks.graph.providers
    .filter(({ lifetime, disposer }) => lifetime === 'transient' && disposer !== undefined)
    .flatMap((transient) =>
      holdersOf(transient, ticks).map((way) => {
        const chain = way.map(({ name }) => name);
        const holder = way[0]!;
        const isKnownToNest = transient.disposer === 'onModuleDestroy';
        const end = isKnownToNest
          ? 'it is disposed only when the application closes'
          : `nobody disposes it, since Nest does not call ${transient.disposer}`;
        return finding({
          kind: 'transient-captured',
          subject: transient.name,
          token: transient.token,
          chain,
          message: `${transient.name} is transient and has ${transient.disposer}, but the singleton ${holder.name} holds one (${arrows(chain)}) for as long as the application runs: ${end}. Make ${transient.name} a singleton${isKnownToNest ? '' : ' and dispose it in onModuleDestroy'}, or let ${holder.name} resolve it in a scope: inject ProviderScopeFactory, and write scopes.run(async (scope) => { ... }).`,
        });
      }),
    );
}

/** The ways from singletons down to a transient. */
function holdersOf(transient: GraphProvider, { graph }: TickGraph): (readonly GraphProvider[])[] {
  const found: (readonly GraphProvider[])[] = [];
  const seen = new Set<number>([transient.id]);
  const ways: (readonly [GraphProvider, ...GraphProvider[]])[] = [[transient]];
  for (const way of ways) {
    for (const dependent of graph.dependentsOf(way[0])) {
      // What a factory does with what it injects is not known: it may only read it.
      if (seen.has(dependent.id) || dependent.kind === 'factory') continue;
      seen.add(dependent.id);
      const longer = [dependent, ...way] as const;
      if (dependent.lifetime === 'singleton' && dependent.kind !== 'alias') found.push(longer);
      else if (dependent.lifetime === 'transient' || dependent.kind === 'alias') ways.push(longer);
    }
  }
  return found;
}
