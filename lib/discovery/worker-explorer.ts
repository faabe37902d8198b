import {
  allDeclaredWorkers,
  handlersOf,
  workerOptions,
  type HandlerMetadata,
  type ScopedWorkerOptions,
} from '../decorators/worker-metadata.js';
import { Application, type NestModule, type NestWrapper } from '../nest/index.js';
import { classOf } from './class-of.js';
import { sameAmong, type Difference } from './same-worker.js';
import { nestJobs, type SkippedJobs } from './nest-jobs.js';

/** A worker class with the provider that builds it. */
export interface FoundWorker {
  readonly workerClass: Function;
  readonly wrapper: NestWrapper;
  /** Every module that provides the class with the same dependencies; the first one builds it. */
  readonly modules: readonly NestModule[];
  /** The difference from an earlier worker of the same class. */
  readonly difference?: Difference | undefined;
  readonly options: ScopedWorkerOptions;
  readonly handlers: readonly HandlerMetadata[];
}

/** A class that has handlers and isn't a worker: not marked, or a module. */
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
  /** Classes that are marked as workers, and that neither this application nor an earlier one provides. */
  readonly unprovided: readonly Function[];
  /** Classes with `@Cron`, `@Interval` or `@Timeout` of `@nestjs/schedule` that Nest skips. */
  readonly skipped: readonly SkippedJobs[];
}

/** The workers that an application of this process has provided. */
const everProvided = new WeakSet<Function>();

/**
 * Finds workers among providers and controllers: by their class, or by a token that is their class when a factory or a value
 * provides them. A class is found once, no matter how many modules provide it, and once more for each module that provides it
 * with different dependencies. Aliases are left out.
 */
export class WorkerExplorer {
  constructor(readonly application: Application) {}

  explore(): Exploration {
    const workers: (FoundWorker & { modules: NestModule[] })[] = [];
    const unmarked = new Map<Function, UnmarkedClass>();
    for (const module of this.application.modules.values()) {
      for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
        const ownerClass = classOf(wrapper);
        if (ownerClass === undefined) continue;
        const isModule = ownerClass === module.metatype;
        const options = workerOptions(ownerClass);
        const handlers = handlersOf(ownerClass);
        if (options === undefined || isModule) {
          if (handlers.length > 0) unmarked.set(ownerClass, { ownerClass, handlers, isModule });
          continue;
        }
        const { known, difference } = sameAmong(
          workers.filter(({ workerClass }) => workerClass === ownerClass),
          wrapper,
        );
        if (known === undefined)
          workers.push({
            workerClass: ownerClass,
            wrapper,
            modules: [module],
            options,
            handlers,
            difference,
          });
        else known.modules.push(module);
      }
    }
    for (const { workerClass } of workers) markProvided(workerClass);
    return {
      workers,
      unmarked: [...unmarked.values()],
      unprovided: allDeclaredWorkers().filter((worker) => !everProvided.has(worker)),
      skipped: nestJobs(this.application.modules.values()).skipped,
    };
  }
}

/** Marks a worker as provided, and its base classes too, because they are in use. */
function markProvided(worker: Function): void {
  for (
    let owner: unknown = worker;
    typeof owner === 'function';
    owner = Object.getPrototypeOf(owner)
  )
    everProvided.add(owner);
}
