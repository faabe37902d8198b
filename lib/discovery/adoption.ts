import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import { isFactory, wayToRequestScope, type NestWrapper } from '../nest/index.js';
import type { Finding } from '../validation/finding.js';
import { handlerName } from './schedule-factory.js';
import type { SkippedJobs } from './skipped-jobs.js';
import type { Exploration, FoundWorker } from './worker-explorer.js';

/** The workers of an application with those that stand in for Nest's own scheduler, and what is reported of the rest. */
export interface Adoption {
  readonly workers: readonly FoundWorker[];
  readonly findings: readonly Finding[];
}

/**
 * Makes workers of the classes whose `@Cron`, `@Interval` and `@Timeout` Nest skips, when that is wanted; reports what stays
 * skipped.
 */
export function adopt({ workers, skipped }: Exploration, isWanted: boolean): Adoption {
  const byClass = new Map(workers.map((worker) => [worker.workerClass, worker]));
  const findings: Finding[] = [];
  for (const jobs of skipped) {
    if (jobs.runBy !== undefined) {
      findings.push(runElsewhere(jobs));
      continue;
    }
    const worker = byClass.get(jobs.ownerClass);
    const adopted = jobs.handlers.filter((handler) => {
      const finding = obstacle(jobs, handler, worker, isWanted);
      if (finding !== undefined) findings.push(finding);
      return finding === undefined;
    });
    if (adopted.length > 0) byClass.set(jobs.ownerClass, withJobs(worker, jobs, adopted));
  }
  return { workers: [...byClass.values()], findings };
}

function withJobs(
  worker: FoundWorker | undefined,
  { ownerClass, wrapper, modules }: SkippedJobs,
  adopted: readonly HandlerMetadata[],
): FoundWorker {
  return worker === undefined
    ? { workerClass: ownerClass, wrapper, modules, options: {}, handlers: adopted }
    : { ...worker, handlers: [...worker.handlers, ...adopted] };
}

/** What keeps one job from being adopted. */
function obstacle(
  jobs: SkippedJobs,
  handler: HandlerMetadata,
  worker: FoundWorker | undefined,
  isWanted: boolean,
): Finding | undefined {
  const { name } = jobs.ownerClass;
  const ours = `@Scoped${handler.decorator.slice(1)}`;
  const own = worker?.handlers.find(({ method }) => method === handler.method);
  if (jobs.isModule) return skipped(jobs, handler, `Move the method to a provider of the module.`);
  if (own !== undefined)
    return skipped(
      jobs,
      handler,
      `The method has ${own.decorator} as well, which runs: remove ${handler.decorator}.`,
    );
  if (jobs.wrapper.isDependencyTreeDurable())
    return skipped(
      jobs,
      handler,
      `Nor can it be adopted: ${name} is durable, and would outlive the tick. Mark it @ScopedWorker() in place of @Injectable() and write ${ours}; what it depends on may be durable.`,
    );
  if (isWanted) return undefined;
  const option = 'adoptNestSchedules: true in ScopedWorkerModule.forRoot()';
  const help =
    worker === undefined
      ? `To run each tick in a scope of its own, set ${option}, or mark ${name} @ScopedWorker() and write ${ours}.`
      : `${name} is a worker: write ${ours} in its place, or set ${option}.`;
  return skipped(jobs, handler, help);
}

function skipped(jobs: SkippedJobs, handler: HandlerMetadata, help: string): Finding {
  const { ownerClass, wrapper, isScheduleModuleImported } = jobs;
  const subject = handlerName(ownerClass, handler);
  const { decorator } = handler;
  const silently = isFactory(wrapper) ? 'and says nothing' : 'with a warning';
  const what = isScheduleModuleImported
    ? `Nest skips this ${decorator} ${silently}`
    : `nothing runs this ${decorator}: ScheduleModule.forRoot() is not imported, and with it Nest would skip it ${silently}`;
  return {
    kind: 'nest-schedule-skipped',
    severity: 'error',
    subject,
    message: `${subject}: ${what}, because ${whyNotStatic(ownerClass.name, wrapper)}. ${help}`,
  };
}

function whyNotStatic(name: string, wrapper: NestWrapper): string {
  const way = wayToRequestScope(wrapper);
  const of = isFactory(wrapper) ? `the factory of ${name}` : name;
  if (way === undefined) return `${of} depends on something request-scoped`;
  if (way.length === 1) return `${of} is request-scoped`;
  const names = [name, ...way.slice(1).map(nameOf)];
  const chain = names.length > 2 ? ` (${names.join(' -> ')})` : '';
  return `${of} depends on ${names.at(-1)}, which is request-scoped${chain}`;
}

function nameOf({ token, name }: NestWrapper): string {
  return typeof token === 'function' ? token.name : String(name);
}

function runElsewhere({ ownerClass, modules, handlers, runBy }: SkippedJobs): Finding {
  const { name } = ownerClass;
  const decorators = [...new Set(handlers.map(({ decorator }) => decorator))].join(', ');
  const others = modules.map((module) => module.name).join(', ');
  return {
    kind: 'worker-provided-twice',
    severity: 'notice',
    subject: name,
    message: `${name} is a singleton in ${runBy!.name} and request-scoped in ${others}: Nest runs its ${decorators} with the one of ${runBy!.name} and skips the other.`,
  };
}
