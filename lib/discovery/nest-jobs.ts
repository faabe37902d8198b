import {
  isFactory,
  isPreviewed,
  isSingleton,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { arrows } from '../errors/finding.js';
import { namesOf } from '../graph/lifetime-graph.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import { nestHandlersOf, nestScheduling } from './nest-schedules.js';
import { classOf, classOfInstance, providedClasses } from './provided-classes.js';
import { addPlace, type HandlerClass } from './same-worker.js';

/** A class with `@Cron`, `@Interval` or `@Timeout` from `@nestjs/schedule`. */
export interface NestJobs extends HandlerClass {
  /** False without `ScheduleModule.forRoot()`: nothing reads the decorators then. */
  readonly isScheduleModuleImported: boolean;
}

/** A class whose jobs `@nestjs/schedule` skips, or runs on an object that was never constructed. */
export interface SkippedJobs extends NestJobs {
  /** The module in which the same class is a singleton, so Nest runs its jobs there; undefined if there is no such module. */
  readonly runBy: NestModule | undefined;
  /** True for a module class, which Nest builds once or never. */
  readonly isModule: boolean;
  /** True for a transient class with a static dependency tree: Nest runs the job on an object that was never constructed. */
  readonly isNeverConstructed: boolean;
}

/**
 * Finds the jobs of `@nestjs/schedule` as its `ScheduleExplorer` does. The explorer skips providers and controllers whose
 * dependency tree isn't static. It logs a warning for those whose prototype it can read, and says nothing about instances from a
 * factory. Leaves out kinds that are disabled by `ScheduleModule.forRoot({ cronJobs: false })` or a similar option.
 *
 * @returns the singletons, whose jobs Nest runs once for each of their modules, and the other classes.
 */
export function nestJobs(given: Iterable<NestModule>): {
  readonly skipped: readonly SkippedJobs[];
  readonly singletons: readonly NestJobs[];
} {
  const modules = [...given];
  const { isImported: isScheduleModuleImported, kinds } = nestScheduling(modules);
  const skipped: SkippedJobs[] = [];
  const singletons = new Map<Function, NestJobs>();
  for (const { ownerClass: workerClass, wrapper, module } of providedClasses(modules, jobClassOf)) {
    const handlers = nestHandlersOf(workerClass, kinds);
    if (handlers.length === 0) continue;
    const jobs = { workerClass, wrapper, modules: [module], handlers, isScheduleModuleImported };
    const isNeverConstructed = wrapper.isTransient && wrapper.isDependencyTreeStatic();
    if (isSingleton(wrapper)) {
      const same = singletons.get(workerClass);
      if (same === undefined) singletons.set(workerClass, jobs);
      else same.modules.push(module);
    } else if (!isNeverConstructed || isScheduleModuleImported) {
      const isModule = workerClass === module.metatype;
      addPlace(skipped, { ...jobs, runBy: undefined, isModule, isNeverConstructed });
    }
  }
  const runBy = ({ workerClass }: SkippedJobs): NestModule | undefined =>
    isScheduleModuleImported ? singletons.get(workerClass)?.modules[0] : undefined;
  return {
    skipped: skipped.map((jobs) => ({ ...jobs, runBy: runBy(jobs) })),
    singletons: [...singletons.values()],
  };
}

/**
 * Returns the class whose jobs Nest runs. If the provider's factory doesn't run but its token is a class, that class counts as
 * the class of the result.
 */
function jobClassOf(wrapper: NestWrapper): Function | undefined {
  const isUnknown = isFactory(wrapper) && isPreviewed(wrapper);
  return classOfInstance(wrapper) ?? (isUnknown ? classOf(wrapper) : undefined);
}

/** Returns the reason why a class isn't a singleton, as a clause to follow `because`, and the chain of dependencies. */
export function whyNotStatic(
  { name }: Function,
  wrapper: NestWrapper,
  graph: ApplicationGraph,
): { why: string; chain: readonly string[] } {
  const of = isFactory(wrapper) ? `the factory of ${name}` : name;
  const links = graph.chainToRequestScope(wrapper);
  if (links === undefined) return { why: `${of} depends on a request-scoped provider`, chain: [] };
  if (links.length === 1) return { why: `${of} is request-scoped`, chain: [] };
  const chain = [name, ...namesOf(links.slice(1))];
  const shown = chain.length > 2 ? ` (${arrows(chain)})` : '';
  return { why: `${of} depends on ${chain.at(-1)}, which is request-scoped${shown}`, chain };
}
