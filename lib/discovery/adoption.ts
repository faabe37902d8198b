import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import { type Finding, finding } from '../errors/finding.js';
import type { SkippedJobs } from './nest-jobs.js';
import type { Exploration, FoundWorker } from './worker-explorer.js';
import { isFactory } from '../nest/index.js';
import { handlerName } from './schedule-factory.js';

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

/** Reports a job that Nest skips, with the reason why its class isn't a singleton. */
export function skipped(
  jobs: SkippedJobs,
  handler: HandlerMetadata,
  graph: ApplicationGraph,
  help: string,
): Finding {
  const { ownerClass, wrapper, isScheduleModuleImported } = jobs;
  const subject = handlerName(ownerClass, handler);
  const { decorator } = handler;
  const silently = isFactory(wrapper) ? 'without a warning' : 'with a warning';
  const what = isScheduleModuleImported
    ? `Nest skips this ${decorator} ${silently}`
    : `nothing runs this ${decorator}, because ScheduleModule.forRoot() is not imported. With it, Nest would skip the job ${silently}`;
  const { why, chain } = whyNotStatic(jobs, graph);
  return finding({
    kind: 'nest-schedule-skipped',
    subject,
    token: wrapper.token,
    chain: [subject, ...chain.slice(1)],
    message: `${subject}: ${what}, because ${why}. ${help}`,
  });
}

/** Returns the reason why a class is not a singleton, to follow `because` in a sentence. */
export function whyNotStatic(
  { ownerClass: { name }, wrapper }: Pick<SkippedJobs, 'ownerClass' | 'wrapper'>,
  graph: ApplicationGraph,
): { why: string; chain: readonly string[] } {
  const of = isFactory(wrapper) ? `the factory of ${name}` : name;
  const way = graph.wayToRequestScope(wrapper);
  if (way === undefined) return { why: `${of} depends on something request-scoped`, chain: [] };
  if (way.length === 1) return { why: `${of} is request-scoped`, chain: [] };
  const chain = [name, ...way.slice(1).map((provider) => provider.name)];
  const shown = chain.length > 2 ? ` (${chain.join(' -> ')})` : '';
  return { why: `${of} depends on ${chain.at(-1)}, which is request-scoped${shown}`, chain };
}

/** Reports a job of a transient class: Nest calls it on the prototype object, which was never constructed. */
export function neverConstructed(
  { ownerClass, wrapper }: SkippedJobs,
  handler: HandlerMetadata,
): Finding {
  const subject = handlerName(ownerClass, handler);
  const { decorator } = handler;
  return finding({
    kind: 'nest-schedule-transient',
    subject,
    token: wrapper.token,
    message: `${subject}: Nest runs this ${decorator} on an object that was never constructed, because ${ownerClass.name} is transient. Its dependencies are undefined. Make ${ownerClass.name} a singleton. Or mark it @ScopedWorker() instead of @Injectable(), and write @Scoped${decorator.slice(1)}.`,
  });
}

/** Reports a class that is a singleton in one module and request-scoped in others. */
export function runElsewhere({
  ownerClass,
  wrapper,
  modules,
  handlers,
  runBy,
}: SkippedJobs): Finding {
  const { name } = ownerClass;
  const decorators = [...new Set(handlers.map(({ decorator }) => decorator))].join(', ');
  const others = modules.map((module) => module.name).join(', ');
  return finding({
    kind: 'worker-provided-twice',
    subject: name,
    token: wrapper.token,
    message: `${name} is a singleton in ${runBy!.name} and request-scoped in ${others}. Nest runs its ${decorators} only on the instance of ${runBy!.name}. Provide it in one module.`,
  });
}
