import { livesInScope, type GraphProvider, type LifetimeGraph } from '../graph/lifetime-graph.js';
import { missingInjectionsOf } from '../nest/index.js';
import type { WorkerRoot } from '../validation/tick-graph.js';
import { writtenNames } from './schedule-names.js';
import type { FoundWorker } from './worker-explorer.js';

/** Returns the providers at which the ticks of each worker enter the graph. */
export function workerRoots(
  workers: readonly FoundWorker[],
  graph: LifetimeGraph,
  hasGlobalEnhancers: boolean,
): WorkerRoot[] {
  const everywhere = hasGlobalEnhancers
    ? graph.providers.filter((provider) => isGlobalEnhancer(provider) && livesInScope(provider))
    : [];
  return workers.flatMap((worker) => {
    const provider = graph.of(worker.wrapper);
    if (provider === undefined) return [];
    const named = writtenNames(worker);
    return {
      provider,
      isIncomplete: missingInjectionsOf(worker.wrapper).length > 0,
      handlers: [...new Set(named.map(({ handler }) => handler))],
      schedules: named.map(({ name }) => name),
      // Adopted jobs are called as Nest calls them: without enhancers.
      around: worker.handlers.some(({ isAdopted }) => isAdopted !== true) ? everywhere : [],
    };
  });
}

/** Returns true for providers with the tokens that Nest 11.0.0 to 12.5.1 generates for `APP_GUARD` and the like. */
function isGlobalEnhancer({ place, token }: GraphProvider): boolean {
  return (
    place === 'enhancer' &&
    typeof token === 'string' &&
    /^APP_(GUARD|INTERCEPTOR|PIPE|FILTER) \(UUID: /.test(token)
  );
}
