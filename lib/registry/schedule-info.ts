import type { TickReport } from '../tick/tick-report.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Tick } from '../tick/tick.interface.js';
import type { CommonHandlerOptions, ZoneOptions } from '../schedule/handler-options.js';

/**
 * The current state of a schedule.
 *
 * @publicApi
 */
export interface ScheduleInfo {
  readonly name: string;
  /** The handler, in the form `Class.method`; for a function, its name, or `'function'`. */
  readonly handler: string;
  readonly kind: Schedule['kind'];
  /** The cron expression; undefined for all other kinds. */
  readonly expression: string | undefined;
  /** The period of an interval or the delay of a timeout, in milliseconds. */
  readonly everyMs: number | undefined;
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
  readonly state: 'active' | 'paused' | 'disabled';
  /**
   * When the schedule is due next; undefined if it is paused, disabled or never due again, or if start-up isn't complete. With
   * `fixedDelay`, also undefined while a slot waits for its jitter and while its tick runs.
   */
  readonly nextRun: Date | undefined;
  /** The report of the last tick, without `value` and `items`, so that this object keeps no result alive. */
  readonly lastReport: TickReport | undefined;
  /** The number of running ticks, including those of a removed schedule that had the same name. */
  readonly running: number;
  /**
   * When the oldest running tick fired; with `forEach`, when the library began to load the list. Undefined if nothing is running.
   * Compare it with the current time to find a tick that hangs.
   */
  readonly runningSince: Date | undefined;
}

/** A new timing for a schedule: a cron expression or a period. The expression `'-'` disables the schedule. */
export type ScheduleTiming =
  | { readonly cron: string; readonly everyMs?: never }
  | { readonly cron?: never; readonly everyMs: number };

/**
 * A schedule that you add at run time, for example from a row of a table. Options that you leave out come from `@ScopedWorker()`
 * on the handler's class, then from the module's `defaults`; `overrides` don't apply.
 *
 * @publicApi
 */
export type ScheduleDefinition = ScheduleTiming &
  Omit<CommonHandlerOptions, 'name'> &
  ZoneOptions & {
    /** A name that is unique in the application. */
    readonly name: string;
    /** A method of a worker, in the form `Class.method`; or a function that receives the tick and calls `tick.scope.resolve()`. */
    readonly handler: string | ((tick: Tick<never>) => unknown);
    /** The value of `tick.payload`. Not allowed with `forEach`, whose items are the payloads. */
    readonly payload?: unknown;
  };
