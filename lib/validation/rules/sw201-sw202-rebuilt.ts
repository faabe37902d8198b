import { staysSingleton } from '../../decorators/stays-singleton.decorator.js';
import type { GraphProvider } from '../../graph/index.js';
import { finding, type Finding } from '../../errors/finding.js';
import { arrows, type TickGraph } from '../tick-graph.js';
import { nearestOf } from '../nearest.js';

/** Reports a provider that is marked `@StaysSingleton()` and isn't a singleton. */
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
          ? `${name} is marked @StaysSingleton(), but it is a worker, and each tick gets a new one. Remove @StaysSingleton().`
          : `${name} is marked @StaysSingleton(), but it declares itself ${itself(provider)}. Remove @StaysSingleton() or the scope.`
        : `${name} is marked @StaysSingleton(), but ${culprit.name} makes it ${outcome(provider)} (${arrows(chain)}). ${fate(provider)} Stop injecting ${dependency.name} into ${name}, and pass what ${name} needs from it as a method argument. Or remove @StaysSingleton().`;
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

function fate({ name, lifetime }: GraphProvider): string {
  return lifetime === 'durable'
    ? `Nest builds another ${name} for each context of the ContextIdStrategy.`
    : `Each scope builds and disposes its own ${name}, while objects that ${name} has returned may still be in use.`;
}

function outcome({ lifetime }: GraphProvider): string {
  return lifetime === 'durable' ? 'durable' : 'request-scoped';
}
