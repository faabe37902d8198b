import {
  allDeclaredWorkers,
  handlersOf,
  workerOptions,
  type HandlerMetadata,
  type ScopedWorkerOptions,
} from '../decorators/handler-metadata.js';
import type { NestModule } from '../nest/index.js';
import { prototypesOf } from '../util/values.js';
import { nestJobs, type SkippedJobs } from './nest-jobs.js';
import { providedClasses } from './provided-classes.js';
import { addPlace, type HandlerClass } from './same-worker.js';

/** A worker class with the provider that builds it. */
export interface FoundWorker extends HandlerClass {
  readonly options: ScopedWorkerOptions;
}

/** A class that has handlers but isn't a worker, because it isn't marked or is a module. */
export interface UnmarkedClass {
  readonly ownerClass: Function;
  readonly handlers: readonly HandlerMetadata[];
  /** True for a module class, which Nest builds once even if it is marked. */
  readonly isModule: boolean;
}

/** The workers and similar classes of the application. */
export interface Exploration {
  readonly workers: readonly FoundWorker[];
  readonly unmarked: readonly UnmarkedClass[];
  /** Classes that are marked as workers but that neither this application nor an earlier one provides. */
  readonly unprovided: readonly Function[];
  /** Classes with `@Cron`, `@Interval` or `@Timeout` from `@nestjs/schedule` whose jobs Nest skips. */
  readonly skipped: readonly SkippedJobs[];
}

/** The worker classes that any application in this process has provided. */
const everProvided = new WeakSet<object>();

/**
 * Finds workers among providers and controllers: by their class, or by a token that is a class if a factory or a value
 * provides them. A class is found once, however many modules provide it, and again for each module in which it has different
 * dependencies. Aliases are left out.
 */
export function explore(modules: readonly NestModule[]): Exploration {
  const workers: FoundWorker[] = [];
  const unmarked = new Map<Function, UnmarkedClass>();
  for (const { ownerClass, wrapper, module } of providedClasses(modules)) {
    const isModule = ownerClass === module.metatype;
    const options = workerOptions(ownerClass);
    const handlers = handlersOf(ownerClass);
    if (options !== undefined && !isModule)
      addPlace(workers, { workerClass: ownerClass, wrapper, modules: [module], options, handlers });
    else if (handlers.length > 0) unmarked.set(ownerClass, { ownerClass, handlers, isModule });
  }
  for (const { workerClass } of workers) {
    // The base classes of a worker are in use, too.
    for (const owner of prototypesOf(workerClass)) everProvided.add(owner);
  }
  return {
    workers,
    unmarked: [...unmarked.values()],
    unprovided: allDeclaredWorkers().filter((worker) => !everProvided.has(worker)),
    skipped: nestJobs(modules).skipped,
  };
}
