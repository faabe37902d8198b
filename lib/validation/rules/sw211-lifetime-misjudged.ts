import { namesOf, type GraphProvider } from '../../graph/lifetime-graph.js';
import { nestVersion } from '../../nest/index.js';
import { arrows, finding, type Finding } from '../../errors/finding.js';
import type { TickGraph } from '../tick-graph.js';

/**
 * Reports a provider that Nest builds once although it depends on a request-scoped one. Up to 11.1.19, Nest overlooks some
 * dependencies, mostly those that it injects into properties.
 */
export function lifetimeMisjudged({ graph, workers }: TickGraph): Finding[] {
  const misjudged = graph.misjudged();
  if (misjudged.length === 0) return [];
  const ofWorkers = new Set(workers.flatMap(({ provider }) => graph.treeOf(provider, () => true)));
  const version = nestVersion();
  const release = version === undefined ? 'the installed release of Nest' : `Nest ${version}`;
  return misjudged.map((provider) => {
    const { name, token } = provider;
    const links = graph.chainTo(provider, isRequestScoped)!;
    const chain = namesOf(links);
    const severity = ofWorkers.has(provider) ? undefined : 'warning';
    const message = `${name} depends on ${chain.at(-1)!}, which is request-scoped (${arrows(chain)}), but ${release} builds ${name} only once. Its dependencies may be missing, or may never have been constructed. Upgrade the @nestjs packages to 11.1.24 or newer, or add scope: Scope.REQUEST to ${name}.`;
    return finding({ kind: 'lifetime-misjudged', severity, subject: name, token, chain, message });
  });
}

function isRequestScoped({ declared }: GraphProvider): boolean {
  return declared === 'request';
}
