import type { LifetimeGraph } from '../graph/index.js';
import type { WorkerRoot } from '../validation/scene.js';
import { handlerName } from './schedule-factory.js';
import type { FoundWorker } from './worker-explorer.js';

/** Where the ticks of each worker enter the graph. */
export function workerRoots(workers: readonly FoundWorker[], graph: LifetimeGraph): WorkerRoot[] {
  return workers.flatMap(({ workerClass, wrapper, handlers }) => {
    const provider = graph.of(wrapper);
    if (provider === undefined) return [];
    return { provider, handlers: handlers.map((handler) => handlerName(workerClass, handler)) };
  });
}
