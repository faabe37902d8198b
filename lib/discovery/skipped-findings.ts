import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import type { ApplicationGraph } from '../graph/index.js';
import { isFactory } from '../nest/index.js';
import { finding, type Finding } from '../errors/finding.js';
import { handlerName } from './schedule-factory.js';
import type { SkippedJobs } from './nest-jobs.js';

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
