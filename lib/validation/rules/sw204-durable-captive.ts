import { INQUIRER, REQUEST } from '@nestjs/core';
import { injectsTick } from '../../decorators/worker.decorators.js';
import type { GraphProvider } from '../../graph/lifetime-graph.js';
import { arrows, finding, type Finding } from '../../errors/finding.js';
import { hasContextIdStrategy } from '../../nest/index.js';
import type { TickGraph } from '../tick-graph.js';

/**
 * Reports a durable provider that depends on a request-scoped one. Nest treats a provider marked durable as durable regardless of
 * its dependencies, so this provider keeps the instance of the first tick. In a circular dependency, Nest may also treat a provider
 * without that mark as durable, which matters only under a `ContextIdStrategy`. `REQUEST` is allowed, because Nest then injects the payload of the durable context. A service in
 * between that injects `REQUEST` is reported, because it belongs to the scope of the first tick.
 */
export function durableCaptive(ticks: TickGraph): Finding[] {
  const durables = ticks.graph.providers.filter(
    ({ isDeclaredDurable, lifetime }) =>
      isDeclaredDurable || (lifetime === 'durable' && hasContextIdStrategy()),
  );
  return durables.flatMap((durable) => {
    const { name, token } = durable;
    const isDisposed = ticks.isBuiltForTicks(durable);
    const severity = isDisposed ? undefined : 'warning';
    if (injectsTick(durable.type)) {
      const chain = [...ticks.chain([durable]), 'Tick'];
      const message = `${name} is durable and injects the tick, but lives longer than a tick. Nest injects the payload of the durable context instead. Pass the tick as a method argument, or call currentTick() in the method.`;
      return finding({ kind: 'durable-captive', severity, subject: name, token, chain, message });
    }
    const links = chainToCaptive(durable, ticks);
    if (links === undefined) return [];
    const chain = ticks.chain(links);
    const captive = links.at(-1)!.name;
    const fate = isDisposed
      ? `The scope disposes ${captive} after the tick, but the ContextIdStrategy keeps ${name}, which goes on using it.`
      : `${name} keeps the ${captive} of the first request for all later ones.`;
    const message = `${name} is durable and holds ${captive}, which is request-scoped (${arrows(chain)}). ${fate} Pass what ${name} needs from ${captive} as a method argument, or make ${captive} durable as well.`;
    return finding({ kind: 'durable-captive', severity, subject: name, token, chain, message });
  });
}

function chainToCaptive(
  durable: GraphProvider,
  { graph }: TickGraph,
): readonly GraphProvider[] | undefined {
  const isCaptive = (provider: GraphProvider): boolean => {
    const { declared, lifetime, isDeclaredDurable, token } = provider;
    if (lifetime === 'bubbled')
      return graph.dependenciesOf(provider).some((dependency) => dependency.token === REQUEST);
    return declared === 'request' && !isDeclaredDurable && token !== REQUEST && token !== INQUIRER;
  };
  return graph.chainTo(
    durable,
    isCaptive,
    // A durable dependency has its own finding.
    ({ lifetime, token }) =>
      lifetime !== 'singleton' && lifetime !== 'durable' && token !== REQUEST,
  );
}
