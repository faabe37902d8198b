import { INQUIRER, REQUEST } from '@nestjs/core';
import { injectsTick } from '../../decorators/provider.decorators.js';
import type { GraphProvider } from '../../graph/lifetime-graph.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';

/**
 * Reports a durable provider that depends on a request-scoped one. Nest treats a provider marked durable as durable regardless of
 * its dependencies, so it keeps the instance of the first tick. `REQUEST` is allowed: there Nest injects the payload of the
 * durable context.
 */
export function durableCaptive(ticks: TickGraph): Finding[] {
  return ticks.graph.providers
    .filter(({ isDeclaredDurable }) => isDeclaredDurable)
    .flatMap((durable) => {
      if (injectsTick(durable.type)) return [tickOf(durable, ticks)];
      const way = wayToCaptive(durable, ticks);
      if (way === undefined) return [];
      const chain = ticks.chain(way);
      const captive = way.at(-1)!.name;
      const isDisposed = ticks.isBuiltForTicks(durable);
      const fate = isDisposed
        ? `The scope disposes ${captive} after the tick, but the ContextIdStrategy keeps ${durable.name}, which goes on using it.`
        : `${durable.name} keeps the ${captive} of the first request for all later ones.`;
      const message = `${durable.name} is durable and holds ${captive}, which is request-scoped (${arrows(chain)}). ${fate} Pass what ${durable.name} needs from ${captive} as a method argument, or make ${captive} durable as well.`;
      return finding({
        kind: 'durable-captive',
        severity: isDisposed ? undefined : 'warning',
        subject: durable.name,
        token: durable.token,
        chain,
        message,
      });
    });
}

/** Reports an injected tick: all later ticks would see the first one. */
function tickOf(durable: GraphProvider, ticks: TickGraph): Finding {
  const { name, token } = durable;
  const message = `${name} is durable and injects the tick, but lives longer than a tick. Nest injects the payload of the durable context instead. Pass the tick as a method argument, or call currentTick() in the method.`;
  return finding({
    kind: 'durable-captive',
    severity: ticks.isBuiltForTicks(durable) ? undefined : 'warning',
    subject: name,
    token,
    chain: [...ticks.chain([durable]), 'Tick'],
    message,
  });
}

function wayToCaptive(
  durable: GraphProvider,
  { graph }: TickGraph,
): readonly GraphProvider[] | undefined {
  const isCaptive = ({ declared, isDeclaredDurable, token }: GraphProvider): boolean =>
    declared === 'request' && !isDeclaredDurable && token !== REQUEST && token !== INQUIRER;
  return graph.wayTo(
    durable,
    isCaptive,
    // A durable dependency has its own finding.
    ({ lifetime, token }) =>
      lifetime !== 'singleton' && lifetime !== 'durable' && token !== REQUEST,
  );
}
