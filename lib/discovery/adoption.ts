import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import type { ApplicationGraph } from '../graph/index.js';
import type { Finding } from '../errors/finding.js';
import { neverConstructed, runElsewhere, skipped } from './skipped-findings.js';
import type { SkippedJobs } from './nest-jobs.js';
import type { Exploration, FoundWorker } from './worker-explorer.js';

/** The workers of an application, including those with adopted jobs, and the findings about jobs that stay skipped. */
export interface Adoption {
  readonly workers: readonly FoundWorker[];
  readonly findings: readonly Finding[];
}

/**
 * Turns the classes whose `@Cron`, `@Interval` and `@Timeout` Nest skips into workers, if `isWanted`. Reports the jobs that stay
 * skipped.
 */
export function adopt(
  { workers, skipped }: Exploration,
  isWanted: boolean,
  graph: ApplicationGraph,
): Adoption {
  const adopting = [...workers];
  const findings: Finding[] = [];
  for (const jobs of skipped) {
    if (jobs.runBy !== undefined) {
      findings.push(runElsewhere(jobs));
      continue;
    }
    const at = adopting.findIndex(
      ({ workerClass, modules }) =>
        workerClass === jobs.ownerClass && modules.includes(jobs.modules[0]!),
    );
    const worker = adopting[at];
    const adopted = jobs.handlers.filter((handler) => {
      const obstacle = obstacleTo(jobs, handler, worker, isWanted, graph);
      if (obstacle !== undefined) findings.push(obstacle);
      return obstacle === undefined;
    });
    if (adopted.length === 0) continue;
    if (worker === undefined) adopting.push(ofJobs(jobs, adopted));
    else adopting[at] = { ...worker, handlers: [...worker.handlers, ...adopted] };
  }
  return { workers: adopting, findings };
}

function ofJobs(
  { ownerClass, wrapper, modules, difference }: SkippedJobs,
  handlers: readonly HandlerMetadata[],
): FoundWorker {
  return { workerClass: ownerClass, wrapper, modules, options: {}, handlers, difference };
}

/** Returns the finding for a job that cannot be adopted. */
function obstacleTo(
  jobs: SkippedJobs,
  handler: HandlerMetadata,
  worker: FoundWorker | undefined,
  isWanted: boolean,
  graph: ApplicationGraph,
): Finding | undefined {
  const { name } = jobs.ownerClass;
  const ours = `@Scoped${handler.decorator.slice(1)}`;
  const own = worker?.handlers.find(({ method }) => method === handler.method);
  const skip = (help: string): Finding => skipped(jobs, handler, graph, help);
  if (jobs.isNeverConstructed) return neverConstructed(jobs, handler);
  if (jobs.isModule) return skip('Move the method to a provider of the module.');
  if (own !== undefined)
    return skip(
      `${own.decorator} on the same method runs it already. Remove ${handler.decorator}.`,
    );
  if (jobs.wrapper.isDependencyTreeDurable())
    return skip(
      `The library cannot adopt the job, because ${name} is durable and would outlive its tick. Mark ${name} @ScopedWorker() instead of @Injectable(), and write ${ours}. Its dependencies may be durable.`,
    );
  if (isWanted) return undefined;
  const option = 'adoptNestSchedules: true in ScopedWorkerModule.forRoot()';
  const help =
    worker === undefined
      ? `To run each tick in its own scope, set ${option}. Or mark ${name} @ScopedWorker() instead of @Injectable(), and write ${ours}.`
      : `${name} is a worker: write ${ours} instead, or set ${option}.`;
  return skip(help);
}
