import { staysSingleton } from '../../decorators/stays-singleton.decorator.js';
import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';
import { nearestOf } from '../nearest.js';

/** A provider marked `@StaysSingleton()` that is none. */
export function singletonRebuilt(ticks: TickGraph): Finding[] {
  const rebuilt = ticks.graph.providers
    .filter(mustStay)
    .filter(({ lifetime }) => lifetime !== 'singleton');
  return nearestOf('singleton-rebuilt', rebuilt, ticks).map(({ provider, way }) => {
    const chain = ticks.chain(way);
    const { name } = provider;
    const [, dependency] = way;
    const culprit = way.at(-1)!;
    const message =
      dependency === undefined
        ? ticks.isWorker(provider)
          ? `${name} is marked @StaysSingleton(), but is a worker, which is new on each tick. Leave @StaysSingleton() out.`
          : `${name} is marked @StaysSingleton(), but says itself that it is ${itself(provider)}. Leave @StaysSingleton() or its scope out.`
        : `${name} is marked @StaysSingleton(), but ${culprit.name} makes it ${outcome(provider)} (${arrows(chain)}): ${fate(provider)}. Take ${dependency.name} out of what ${name} injects and pass what ${name} needs of it as an argument of its methods, or leave @StaysSingleton() out.`;
    return finding({
      kind: 'singleton-rebuilt',
      subject: name,
      token: provider.token,
      chain,
      message,
    });
  });
}

export function mustStay({ kind, type, token }: GraphProvider): boolean {
  return kind !== 'alias' && kind !== 'value' && staysSingleton(type ?? token);
}

function itself({ declared, isDeclaredDurable }: GraphProvider): string {
  if (declared === 'transient') return 'transient';
  return isDeclaredDurable ? 'durable' : 'request-scoped';
}

function fate({ lifetime }: GraphProvider): string {
  return lifetime === 'durable'
    ? 'it is built anew for every context of the ContextIdStrategy'
    : 'it is built anew for every scope and disposed with it, while what it has handed out may still be in use';
}

function outcome({ lifetime }: GraphProvider): string {
  return lifetime === 'durable' ? 'durable' : 'request-scoped';
}
