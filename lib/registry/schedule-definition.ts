import type { Tick } from '../tick/tick.js';
import type { CommonHandlerOptions, ZoneOptions } from '../schedule/handler-options.js';

/** Another timing for a schedule: a cron expression, or a period. `'-'` switches it off. */
export type ScheduleTiming =
  | { readonly cron: string; readonly everyMs?: never }
  | { readonly cron?: never; readonly everyMs: number };

/**
 * A schedule that is added at run time: with a row of a table, say. What it leaves out comes from `@ScopedWorker()` of
 * its handler's class, then from `defaults` of the module; `overrides` do not apply.
 *
 * @publicApi
 */
export type ScheduleDefinition = ScheduleTiming &
  Omit<CommonHandlerOptions, 'name' | 'disabled'> &
  ZoneOptions & {
    /** Unique in the application. */
    readonly name: string;
    /**
     * A method of a worker, written `Class.method`; or a function, which is given the tick and finds its providers by
     * `tick.scope.resolve()`.
     */
    readonly handler: string | ((tick: Tick<never>) => unknown);
    /** What `tick.payload` is. Not beside `forEach`, where each item is. */
    readonly payload?: unknown;
  };
