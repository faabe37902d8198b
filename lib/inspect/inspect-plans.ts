import { livesInScope, type GraphProvider, type LifetimeGraph } from '../graph/lifetime-graph.js';
import { SCOPED_ENHANCER, type Plans, type Resolution } from '../nest/index.js';
import type { Schedule } from '../schedule/schedule.js';

/** The parts of an application that decide whether plans build its workers. */
export interface InspectedPlans {
  readonly graph: LifetimeGraph;
  readonly schedules: readonly Schedule[];
  readonly resolution: Resolution;
  readonly hasLeakDetection: boolean;
  /** Undefined if the application hasn't started. */
  readonly plans: Plans | undefined;
}

/** Returns why Nest, not a plan, builds a worker in every tick, as a clause; undefined if a plan builds it, or might do so. */
export function whyNoPlan(
  worker: GraphProvider,
  { graph, schedules, resolution, hasLeakDetection, plans }: InspectedPlans,
): string | undefined {
  const own = schedules.filter(
    ({ target }) => target.worker !== undefined && graph.of(target.worker) === worker,
  );
  const asked =
    own.length === 0 ? [resolution] : own.map(({ options }) => options.resolution ?? resolution);
  if (!asked.includes('compiled')) return "resolution: 'nest' is set";
  if (hasLeakDetection) return 'leak detection is on';
  const found = own[0] && plans?.whyNot(own[0].target.worker!);
  if (found !== undefined) return found;
  const isEnhanced = worker.dependencies.some(
    ({ at, to }) => at === 'enhancer' && livesInScope(graph.at(to)),
  );
  if (isEnhanced) return SCOPED_ENHANCER;
  const tree = graph.treeOf(worker, ({ lifetime }) => lifetime !== 'singleton');
  return tree.find(({ obstacle }) => obstacle !== undefined)?.obstacle;
}
