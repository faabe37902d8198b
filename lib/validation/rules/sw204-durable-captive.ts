import { INQUIRER, REQUEST } from '@nestjs/core';
import { injectsTick } from '../../decorators/inject-tick.decorator.js';
import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';

/**
 * A durable provider over a request-scoped one. Nest takes what is marked durable for durable whatever it depends on, so it keeps
 * the instance of the first tick. `REQUEST` is allowed: there Nest injects the payload of the durable context.
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
        ? `${captive} is disposed when the tick ends, and ${durable.name}, which a ContextIdStrategy keeps, goes on with it`
        : `${durable.name} keeps the ${captive} of the first request for all that follow`;
      return finding({
        kind: 'durable-captive',
        ...(isDisposed ? {} : { severity: 'warning' as const }),
        subject: durable.name,
        token: durable.token,
        chain,
        message: `${durable.name} is durable and holds ${captive}, which is request-scoped (${arrows(chain)}): ${fate}. Pass what ${durable.name} needs of it as an argument of its methods, or make ${captive} durable as well.`,
      });
    });
}

/** The tick of whoever came first would be the tick of all. */
function tickOf(durable: GraphProvider, ticks: TickGraph): Finding {
  const { name, token } = durable;
  return finding({
    kind: 'durable-captive',
    ...(ticks.isBuiltForTicks(durable) ? {} : { severity: 'warning' as const }),
    subject: name,
    token,
    chain: [...ticks.chain([durable]), 'Tick'],
    message: `${name} is durable and asks for the tick, but lives longer than one: Nest injects the payload of the durable context in its place. Pass the tick as an argument of its methods, or call currentTick() in them.`,
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
    // A durable dependency is a finding of its own.
    ({ lifetime, token }) =>
      lifetime !== 'singleton' && lifetime !== 'durable' && token !== REQUEST,
  );
}
