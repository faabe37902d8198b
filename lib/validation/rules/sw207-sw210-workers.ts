import { finding, type Finding } from '../../errors/finding.js';
import type { TickGraph } from '../tick-graph.js';

/**
 * Reports a worker whose dependencies are all shared with the rest of the application. If hooks run around ticks, they may isolate
 * a tick (MikroORM's `RequestContext`, `cls.run`), so nothing is reported.
 */
export function scopeNotNeeded({ graph, workers, hasHooks }: TickGraph): Finding[] {
  if (hasHooks) return [];
  return workers
    .filter(
      ({ provider, handlers, around, isIncomplete }) =>
        handlers.length > 0 &&
        !isIncomplete &&
        around.length === 0 &&
        provider.kind === 'class' &&
        provider.lifetime === 'request' && // a durable worker is rejected (SW101)
        provider.disposer === undefined &&
        provider.scopeHooks.length === 0 &&
        graph.dependenciesOf(provider).every(({ lifetime }) => lifetime === 'singleton'),
    )
    .map(({ provider: { name, token } }) =>
      finding({
        kind: 'scope-not-needed',
        subject: name,
        token,
        message: `${name} injects nothing that is new for each tick. Unless it resolves providers by hand, only ${name} itself is built for a tick, and nothing is disposed after it. It needs no scope. If you expected a new instance of a service, add scope: Scope.REQUEST to that service.`,
      }),
    );
}

/**
 * Reports a worker that has Nest's lifecycle hooks. Nest never calls them on request-scoped classes. `onModuleDestroy` isn't
 * reported, because the scope calls it as a disposer.
 */
export function workerHookUnused({ workers }: TickGraph): Finding[] {
  return workers.flatMap(({ provider: { name, token, hooks, lifetime } }) => {
    const unused = hooks.filter((hook) => hook !== 'onModuleDestroy');
    const isNew = lifetime === 'request' || lifetime === 'bubbled';
    if (!isNew || unused.length === 0) return [];
    const work = unused.length === 1 ? 'The work in the hook' : 'The work in these hooks';
    const message = `Nest never calls ${unused.join(' or ')} on ${name}, because each tick gets a new worker. ${work} never happens. Move it to a singleton. To run a handler once at start-up, set runOnStart: true. For work before each tick, use onScopeInit.`;
    return finding({ kind: 'worker-hook-unused', subject: name, token, message });
  });
}
