import { finding, type Finding } from '../../errors/finding.js';
import type { TickGraph } from '../tick-graph.js';

/**
 * Reports a worker whose dependencies are all shared with the rest of the application. If hooks run around ticks, they may
 * isolate a tick (`RequestContext` of MikroORM, `cls.run`), so nothing is reported.
 */
export function scopeNotNeeded({ graph, workers, hasHooks }: TickGraph): Finding[] {
  if (hasHooks) return [];
  return workers
    .filter(
      ({ provider, handlers, around }) =>
        handlers.length > 0 &&
        around.length === 0 &&
        provider.kind === 'class' &&
        provider.lifetime === 'request' && // a durable worker is refused (SW101)
        provider.disposer === undefined &&
        provider.scopeHooks.length === 0 &&
        graph.dependenciesOf(provider).every(({ lifetime }) => lifetime === 'singleton'),
    )
    .map(({ provider: { name, token } }) =>
      finding({
        kind: 'scope-not-needed',
        subject: name,
        token,
        message: `${name} injects nothing that is new on each tick. Unless it resolves providers by hand, only ${name} itself is built for a tick, and nothing is disposed after it. It needs no scope.`,
      }),
    );
}
