import type { HandlerMetadata } from '../decorators/handler-metadata.js';
import { finding, type Finding } from '../errors/finding.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import { isFactory, isGateway } from '../nest/index.js';
import { whyNotStatic, type SkippedJobs } from './nest-jobs.js';
import { handlerName } from './schedule-names.js';
import type { Exploration, FoundWorker } from './worker-explorer.js';

/**
 * Turns a class into a worker if Nest skips the class's `@Cron`, `@Interval` or `@Timeout`, and if `isWanted` is true.
 *
 * @returns all workers of the application, and the findings about jobs that aren't adopted.
 */
export function adopt(
  { workers, skipped }: Exploration,
  isWanted: boolean,
  graph: ApplicationGraph,
): { readonly workers: readonly FoundWorker[]; readonly findings: readonly Finding[] } {
  const adopting = [...workers];
  const findings: Finding[] = [];
  for (const jobs of skipped) {
    if (jobs.runBy !== undefined) {
      findings.push(runElsewhere(jobs));
      continue;
    }
    const at = adopting.findIndex(
      ({ workerClass, modules }) =>
        workerClass === jobs.workerClass && modules.includes(jobs.modules[0]!),
    );
    const worker = adopting[at];
    const adopted = jobs.handlers.filter((handler) => {
      const obstacle = obstacleTo(jobs, handler, worker, isWanted, graph);
      if (obstacle !== undefined) findings.push(obstacle);
      return obstacle === undefined;
    });
    if (adopted.length === 0) continue;
    if (worker === undefined) adopting.push({ ...jobs, options: {}, handlers: adopted });
    else adopting[at] = { ...worker, handlers: [...worker.handlers, ...adopted] };
  }
  return { workers: adopting, findings };
}

/** Returns the finding for a job that isn't adopted; undefined if the job can be adopted and `isWanted` is true. */
function obstacleTo(
  jobs: SkippedJobs,
  handler: HandlerMetadata,
  worker: FoundWorker | undefined,
  isWanted: boolean,
  graph: ApplicationGraph,
): Finding | undefined {
  const { name } = jobs.workerClass;
  const ours = `@Scoped${handler.decorator.slice(1)}`;
  const own = worker?.handlers.find(({ method }) => method === handler.method);
  const skip = (help: string): Finding => skipped(jobs, handler, graph, help);
  if (jobs.isNeverConstructed) return neverConstructed(jobs, handler);
  if (jobs.isModule) return skip('Move the method to a provider of the module.');
  if (own !== undefined)
    return skip(
      `${own.decorator} on the same method already runs it. Remove ${handler.decorator}.`,
    );
  if (jobs.wrapper.isDependencyTreeDurable())
    return skip(
      `The library cannot adopt the job, because ${name} is durable and would outlive its tick. To run each tick in its own scope, ${toWorker(jobs)}, and use ${ours}. Its dependencies can stay durable.`,
    );
  if (isWanted) return undefined; // for a gateway too: its job may not need the server
  if (isGateway(jobs.workerClass))
    return skip(
      `Make ${name} a singleton, because only the instance that Nest builds at start-up has the WebSocket server. To run each tick in its own scope, move the method to a provider that is marked @ScopedWorker() and injects ${name}, and use ${ours}.`,
    );
  const option = 'adoptNestSchedules: true in ScopedWorkerModule.forRoot()';
  const help =
    worker === undefined
      ? `To run each tick in its own scope, set ${option}. Or ${toWorker(jobs)}, and use ${ours}.`
      : `${name} is a worker: use ${ours} instead, or set ${option}.`;
  return skip(help);
}

/**
 * Returns a clause that says how to move a job to a worker. A controller has no `@Injectable()` to replace, and stays a
 * controller.
 */
function toWorker({ workerClass, wrapper, modules }: SkippedJobs, it = workerClass.name): string {
  return modules[0]!.controllers.get(wrapper.token) === wrapper
    ? 'move the method to a provider marked @ScopedWorker()'
    : `mark ${it} @ScopedWorker() instead of @Injectable()`;
}

/** Reports a job that Nest skips, with the reason why its class isn't a singleton. */
function skipped(
  { workerClass, wrapper, isScheduleModuleImported }: SkippedJobs,
  handler: HandlerMetadata,
  graph: ApplicationGraph,
  help: string,
): Finding {
  const subject = handlerName(workerClass, handler);
  const { decorator } = handler;
  const silently = isFactory(wrapper) ? 'without a warning' : 'with a warning';
  const what = isScheduleModuleImported
    ? `Nest skips this ${decorator} ${silently}`
    : `nothing runs this ${decorator}, because ScheduleModule.forRoot() is not imported. Even if it were imported, Nest would skip the job ${silently}`;
  const { why, chain: ofClass } = whyNotStatic(workerClass, wrapper, graph);
  const chain = [subject, ...ofClass.slice(1)];
  const message = `${subject}: ${what}, because ${why}. ${help}`;
  return finding({ kind: 'nest-schedule-skipped', subject, token: wrapper.token, chain, message });
}

/** Reports a job of a transient class: Nest calls the method on an object whose constructor never ran. */
function neverConstructed(jobs: SkippedJobs, handler: HandlerMetadata): Finding {
  const { workerClass, wrapper } = jobs;
  const subject = handlerName(workerClass, handler);
  const { decorator } = handler;
  const message = `${subject}: Nest runs this ${decorator} on an object that was never constructed, because ${workerClass.name} is transient. Its dependencies are undefined. Make ${workerClass.name} a singleton. Or ${toWorker(jobs, 'it')}, and use @Scoped${decorator.slice(1)}.`;
  return finding({ kind: 'nest-schedule-transient', subject, token: wrapper.token, message });
}

/** Reports a class that is a singleton in one module and request-scoped in others. */
function runElsewhere({ workerClass, wrapper, modules, handlers, runBy }: SkippedJobs): Finding {
  const { name } = workerClass;
  const decorators = [...new Set(handlers.map(({ decorator }) => decorator))].join(', ');
  const others = modules.map((module) => module.name).join(', ');
  const message = `${name} is a singleton in ${runBy!.name} and request-scoped in ${others}. Nest runs its ${decorators} only on the instance in ${runBy!.name}. Provide it in one module.`;
  return finding({ kind: 'worker-provided-twice', subject: name, token: wrapper.token, message });
}
