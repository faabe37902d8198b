import { finding, type Finding } from '../../errors/finding.js';
import type { TickGraph } from '../tick-graph.js';

/**
 * Reports a worker with lifecycle hooks of Nest. Nest calls none of them on request-scoped classes. `onModuleDestroy` is the
 * exception: the scope calls it as a disposer.
 */
export function workerHookUnused({ workers }: TickGraph): Finding[] {
  return workers.flatMap(({ provider: { name, token, hooks, lifetime } }) => {
    const unused = hooks.filter((hook) => hook !== 'onModuleDestroy');
    const isNew = lifetime === 'request' || lifetime === 'bubbled';
    if (!isNew || unused.length === 0) return [];
    return finding({
      kind: 'worker-hook-unused',
      subject: name,
      token,
      message: `Nest never calls ${unused.join(', ')} of ${name}, because a worker is new on each tick. The work in the hook is never done. Move it to a singleton. To run a handler once at start-up, set runOnStart: true. For work before each tick, use onScopeInit.`,
    });
  });
}
