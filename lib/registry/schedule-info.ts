import type { TickReport } from '../tick/tick-report.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Tick } from '../tick/tick.js';
import type { CommonHandlerOptions, ZoneOptions } from '../schedule/handler-options.js';

/**
 * What is known of a schedule at this moment.
 *
 * @publicApi
 */
export interface ScheduleInfo {
  readonly name: string;
  /** `Class.method`; for a function, its name, or `'function'`. */
  readonly handler: string;
  readonly kind: Schedule['kind'];
  /** The cron expression; undefined for intervals and timeouts. */
  readonly expression: string | undefined;
  /** The period of an interval or the delay of a timeout, in milliseconds. */
  readonly everyMs: number | undefined;
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
  readonly state: 'active' | 'paused' | 'disabled';
  /** When it is due next; undefined when it is paused or disabled, never due again, or start-up is not complete. */
  readonly nextRun: Date | undefined;
  /** The report of the last tick that ran, without its `value`, so that no result is kept alive here. */
  readonly lastReport: TickReport | undefined;
  /** Ticks that run at this moment. */
  readonly running: number;
  /**
   * When the oldest running tick was fired, or for `forEach`, its list. Undefined if nothing runs. Compare it with the clock to
   * find a tick that hangs.
   */
  readonly runningSince: Date | undefined;
}

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
