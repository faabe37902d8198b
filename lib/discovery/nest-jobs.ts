import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import type { NestModule, NestWrapper } from '../nest/index.js';
import { classOf } from './class-of.js';
import { sameAmong, type Difference } from './same-worker.js';
import { nestHandlersOf, nestScheduling } from './nest-schedules.js';

/** A class with `@Cron`, `@Interval` or `@Timeout` that `@nestjs/schedule` does not run, with the provider that builds it. */
export interface SkippedJobs {
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
  /** The modules in which it is skipped; the first one builds it. */
  readonly modules: readonly NestModule[];
  /** The difference from an earlier provider of the same class. */
  readonly difference?: Difference | undefined;
  readonly handlers: readonly HandlerMetadata[];
  /** The module in which the same class is a singleton, so that Nest does run it. */
  readonly runBy: NestModule | undefined;
  /** A module class: Nest builds it once, or never. */
  readonly isModule: boolean;
  /** A transient class in a static tree: Nest runs the job on an object without constructor. */
  readonly isNeverConstructed: boolean;
  /** Without `ScheduleModule.forRoot()`, nothing reads the decorators. */
  readonly isScheduleModuleImported: boolean;
}

/** A class with `@Cron`, `@Interval` or `@Timeout` that is a singleton: `@nestjs/schedule` runs its jobs. */
export interface SingletonJobs {
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
  /** The modules that provide it: Nest runs each job once for each of them. */
  readonly modules: readonly NestModule[];
  readonly handlers: readonly HandlerMetadata[];
  /** Without `ScheduleModule.forRoot()`, nothing runs them. */
  readonly isScheduleModuleImported: boolean;
}

/** The classes with jobs of `@nestjs/schedule`, grouped by how it treats them. */
export interface NestJobs {
  readonly skipped: readonly SkippedJobs[];
  readonly singletons: readonly SingletonJobs[];
}

/**
 * Finds the jobs of `@nestjs/schedule` as its `ScheduleExplorer` does. It skips providers and controllers whose dependency tree
 * is not static. It logs a warning for those whose prototype it can read, and says nothing about instances from a factory.
 * Kinds that `ScheduleModule.forRoot({ cronJobs: false })` and similar options disable are left out.
 */
export function nestJobs(modules: Iterable<NestModule>): NestJobs {
  const all = [...modules];
  const { isImported, kinds } = nestScheduling(all);
  const skipped: (SkippedJobs & { modules: NestModule[] })[] = [];
  const singletons = new Map<Function, SingletonJobs & { modules: NestModule[] }>();
  for (const module of all) {
    for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
      const ownerClass = classOf(wrapper);
      if (ownerClass === undefined) continue;
      const handlers = nestHandlersOf(ownerClass, kinds);
      if (handlers.length === 0) continue;
      const isNeverConstructed = wrapper.isTransient && wrapper.isDependencyTreeStatic();
      if (isNeverConstructed && !isImported) continue;
      if (wrapper.isDependencyTreeStatic() && !wrapper.isTransient) {
        const same = singletons.get(ownerClass);
        if (same === undefined)
          singletons.set(ownerClass, {
            ownerClass,
            wrapper,
            modules: [module],
            handlers,
            isScheduleModuleImported: isImported,
          });
        else same.modules.push(module);
        continue;
      }
      const { known, difference } = sameAmong(
        skipped.filter((jobs) => jobs.ownerClass === ownerClass),
        wrapper,
      );
      if (known === undefined)
        skipped.push({
          ownerClass,
          wrapper,
          modules: [module],
          difference,
          handlers,
          runBy: undefined,
          isModule: ownerClass === module.metatype,
          isNeverConstructed,
          isScheduleModuleImported: isImported,
        });
      else known.modules.push(module);
    }
  }
  const runBy = ({ ownerClass }: SkippedJobs): NestModule | undefined =>
    isImported ? singletons.get(ownerClass)?.modules[0] : undefined;
  return {
    skipped: skipped.map((jobs) => ({ ...jobs, runBy: runBy(jobs) })),
    singletons: [...singletons.values()],
  };
}
