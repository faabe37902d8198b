import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import type { NestModule, NestWrapper } from '../nest/index.js';
import { classOf } from './class-of.js';
import { nestHandlersOf, nestScheduling } from './nest-schedules.js';

/** A class with `@Cron`, `@Interval` or `@Timeout` that `@nestjs/schedule` does not run, with the provider that builds it. */
export interface SkippedJobs {
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
  /** The modules in which it is skipped; the first one builds it. */
  readonly modules: readonly NestModule[];
  readonly handlers: readonly HandlerMetadata[];
  /** The module in which the same class is a singleton, so that Nest does run it. */
  readonly runBy: NestModule | undefined;
  /** A module class: Nest builds it once, or never. */
  readonly isModule: boolean;
  /** A transient class in a static tree: Nest runs the job on an object without constructor. */
  readonly isNeverConstructed: boolean;
  /** Without `ScheduleModule.forRoot()` nothing looks at the decorators, whatever they stand on. */
  readonly isScheduleModuleImported: boolean;
}

/**
 * Finds what `ScheduleExplorer` of `@nestjs/schedule` passes over: providers and controllers whose dependency tree is not
 * static. It warns of those that have a prototype to look at; of what a factory makes it has none, and says nothing. What
 * `ScheduleModule.forRoot({ cronJobs: false })` and its like switch off is switched off, not skipped.
 */
export function skippedJobs(modules: Iterable<NestModule>): SkippedJobs[] {
  const all = [...modules];
  const { isImported, kinds } = nestScheduling(all);
  const skipped = new Map<Function, SkippedJobs & { modules: NestModule[] }>();
  const runBy = new Map<Function, NestModule>();
  for (const module of all) {
    for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
      const ownerClass = classOf(wrapper);
      if (ownerClass === undefined) continue;
      const handlers = nestHandlersOf(ownerClass, kinds);
      if (handlers.length === 0) continue;
      const isNeverConstructed = wrapper.isTransient && wrapper.isDependencyTreeStatic();
      if (isNeverConstructed && !isImported) continue;
      if (wrapper.isDependencyTreeStatic() && !wrapper.isTransient) {
        if (isImported && !runBy.has(ownerClass)) runBy.set(ownerClass, module);
        continue;
      }
      const known = skipped.get(ownerClass);
      if (known === undefined)
        skipped.set(ownerClass, {
          ownerClass,
          wrapper,
          modules: [module],
          handlers,
          runBy: undefined,
          isModule: ownerClass === module.metatype,
          isNeverConstructed,
          isScheduleModuleImported: isImported,
        });
      else known.modules.push(module);
    }
  }
  return [...skipped.values()].map((jobs) => ({ ...jobs, runBy: runBy.get(jobs.ownerClass) }));
}
