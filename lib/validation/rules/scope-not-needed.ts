import { finding, type Finding } from '../../findings/finding.js';
import type { Scene } from '../scene.js';

/**
 * A worker that shares all that it uses with the rest of the application. Where hooks run around ticks, they may be what
 * isolates a tick (`RequestContext` of MikroORM, `cls.run`), so nothing is said.
 */
export function scopeNotNeeded({ graph, workers, hasHooks }: Scene): Finding[] {
  if (hasHooks) return [];
  return workers
    .filter(
      ({ provider, handlers, around }) =>
        handlers.length > 0 &&
        around.length === 0 &&
        provider.kind === 'class' &&
        provider.declared === 'request' &&
        provider.disposer === undefined &&
        provider.scopeHooks.length === 0 &&
        graph.dependenciesOf(provider).every(({ lifetime }) => lifetime === 'singleton'),
    )
    .map(({ provider: { name, token } }) =>
      finding({
        kind: 'scope-not-needed',
        subject: name,
        token,
        message: `${name} injects nothing that is new on each tick: save for what it resolves by hand, nothing but itself is built for a tick and nothing is disposed after it. It needs no scope, and is fine as it is.`,
      }),
    );
}
