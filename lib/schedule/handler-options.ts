import type { FromProviders } from './from-providers.js';
import { withoutUndefined } from '../util/values.js';

/** What makes a handler due. */
export type ScheduleKind = 'cron' | 'interval' | 'timeout' | 'message';

/** A cron is read in a named zone or at a fixed offset, never both. */
export type ZoneOptions =
  | {
      /** IANA name of the zone in which the cron expression is read. Default: the zone of the process. */
      readonly timeZone?: string;
      readonly utcOffset?: never;
    }
  | {
      readonly timeZone?: never;
      /** Offset from UTC in minutes at which the cron expression is read. */
      readonly utcOffset?: number;
    };

/**
 * How a tick is retried if its attempt failed or timed out, each time in a new scope. Not retried: a cancelled attempt, and one
 * that failed only in disposal, because its work is committed. An error of an `around` hook after `next()` is retried: the hook
 * may have rolled back the work.
 *
 * @publicApi
 */
export interface RetryOptions {
  /** How often the tick is tried in all, the first attempt included. Minimum 1, which is no retry. */
  readonly attempts: number;
  /**
   * Milliseconds to wait before the next attempt, or a function of the attempt that has failed (from 1). The schedule's
   * slot is held meanwhile; a shutdown cuts the wait short. @defaultValue 0
   */
  readonly backoffMs?: number | ((attempt: number) => number);
  /** The part of the wait, from 0 to 1, that is left to chance: 0.2 waits 80 to 100 percent of it. @defaultValue 0 */
  readonly jitter?: number;
}

/** What `HandlerOptions` says of every kind of schedule. */
export interface CommonHandlerOptions {
  /**
   * Unique in the application, and the same on every start. Or `{ inject, useFactory }`, for a worker of a module that is
   * imported more than once: the factory is called once, with singletons as the worker's module sees them, before any
   * `onModuleInit`. Default: `Class.method`.
   */
  readonly name?: string | FromProviders<string>;
  /** The schedule is listed and never due. Default: false. */
  readonly disabled?: boolean;
  /**
   * What happens to a tick that is due while the one before it still runs.
   *
   * - `'skip'`: it is dropped, with a `tick:skipped` event. The default of crons and timeouts.
   * - `'allow'`: it runs at the same time, in a scope of its own.
   * - `'buffer-one'`: it runs right after the running one; more that come due meanwhile merge into it.
   *   The default of intervals.
   * - `'cancel-other'`: the running one is aborted; this one runs when it has really ended. More that come due
   *   meanwhile merge into it.
   */
  readonly overlap?: 'skip' | 'buffer-one' | 'allow' | 'cancel-other';
  /** Schedules that share a key count as one for `overlap`. Default: each schedule counts for itself. */
  readonly overlapKey?: string;
  /**
   * How many ticks may run at once before `overlap` decides; with `'allow'`, what is above waits its turn. With
   * `forEach`: how many items at once. Minimum 1. Default: 1, with `'allow'` no limit, with `forEach` 1.
   */
  readonly maxConcurrency?: number;
  /**
   * What happens to slots that passed while nobody could run them: the event loop was blocked, or the machine slept.
   *
   * - `'once'`: the latest of them runs. The default.
   * - `'all'`: they run one after the other, oldest first; at most the latest 1,000.
   * - `'skip'`: none runs.
   *
   * Each has its own `scheduledAt`. What does not run is told by a `tick:skipped` event with the reason `missed`.
   * Slots that passed while the process was down are not known to the in-process engine.
   */
  readonly misfire?: 'skip' | 'once' | 'all';
  /** A slot counts as missed when it is later than this many milliseconds. Minimum 1. Default: 250, as in `cron`. */
  readonly misfireThresholdMs?: number;
  /** Default: one attempt. */
  readonly retry?: RetryOptions;
  /**
   * A tick for each item of a list, such as one for each tenant: with a scope of its own and the item as
   * `tick.payload`. The list is asked for when the schedule is due, in a scope of its own, so `inject` may name
   * request-scoped providers. One item's failure does not stop the others. `maxConcurrency` limits how many run at
   * once; for `overlap` they are one tick. `registry.pause()`, `cancel()` and a shutdown end the list after the items at
   * work. `timeoutMs` and `retry` are for the items: nothing limits or repeats the asking for the list.
   */
  readonly forEach?: FromProviders<Iterable<unknown>>;
  /**
   * After this many milliseconds the signal of the attempt is aborted and it counts as `timed-out`. The
   * handler is not stopped: its scope lives until it has really ended. Minimum 1. Default: no limit.
   */
  readonly timeoutMs?: number;
  /**
   * What a tick that failed or timed out does to its schedule: `'continue'` (default), `'pause'`, or
   * `'stop-app'`, which closes the application and ends the process with a non-zero code. With `forEach` the other items of the list
   * still run.
   */
  readonly onFailure?: 'continue' | 'pause' | 'stop-app';
  /** Milliseconds after start-up during which the schedule is not due. Default: 0. */
  readonly initialDelayMs?: number;
  /** Each tick is fired up to this many milliseconds late, at random. Default: 0. */
  readonly jitterMs?: number;
  /** One more tick right after start-up (after `initialDelayMs`), with the trigger `'start'`. Default: false. */
  readonly runOnStart?: boolean;
  /** Intervals only: the period counts from the end of the last run instead of a fixed grid. Default: false. */
  readonly fixedDelay?: boolean;
}

/**
 * Options of a handler: in the module's `defaults`, in `@ScopedWorker()`, in its own decorator, or in
 * `overrides` by schedule name, where the later beats the earlier.
 *
 * @publicApi
 */
export type HandlerOptions = CommonHandlerOptions & ZoneOptions;

/**
 * Handler options for many handlers at once, which cannot share a name.
 *
 * @publicApi
 */
export type HandlerDefaults = Omit<CommonHandlerOptions, 'name'> & ZoneOptions;

/**
 * What configuration may change of one schedule. `cron: '-'` switches it off.
 *
 * @publicApi
 */
export type ScheduleOverride = HandlerDefaults & {
  /** Another cron expression, or `'-'`. Crons only. */
  readonly cron?: string;
  /** Another period in milliseconds. Intervals only. */
  readonly everyMs?: number;
  /** Other figures of a consumer. Consumers only. */
  readonly concurrency?: number;
  readonly maxDeliveries?: number;
};

/** The options of one schedule once every default is filled in. */
export interface ResolvedHandlerOptions {
  readonly disabled: boolean;
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
  readonly overlap: NonNullable<CommonHandlerOptions['overlap']>;
  readonly overlapKey: string | undefined;
  readonly maxConcurrency: number | undefined;
  readonly misfire: NonNullable<CommonHandlerOptions['misfire']>;
  readonly misfireThresholdMs: number;
  readonly retry: Required<RetryOptions>;
  readonly forEach: FromProviders<Iterable<unknown>> | undefined;
  readonly timeoutMs: number | undefined;
  readonly onFailure: NonNullable<CommonHandlerOptions['onFailure']>;
  readonly initialDelayMs: number;
  readonly jitterMs: number;
  readonly runOnStart: boolean;
  readonly fixedDelay: boolean;
}

/** Fills in the defaults; the only place that knows them. Later layers beat earlier ones. */
export function resolveHandlerOptions(
  kind: ScheduleKind,
  ...layers: readonly (HandlerOptions | HandlerDefaults | ScheduleOverride | undefined)[]
): ResolvedHandlerOptions {
  const given: Partial<HandlerOptions> = Object.assign({}, ...layers.map(withoutUndefined));
  const zone = layers.findLast(
    (layer) => layer?.timeZone !== undefined || layer?.utcOffset !== undefined,
  );
  return {
    disabled: given.disabled ?? false,
    timeZone: zone?.timeZone,
    utcOffset: zone?.utcOffset,
    overlap: given.overlap ?? (kind === 'interval' ? 'buffer-one' : 'skip'),
    overlapKey: given.overlapKey,
    maxConcurrency: given.maxConcurrency,
    misfire: given.misfire ?? 'once',
    misfireThresholdMs: given.misfireThresholdMs ?? 250,
    retry: { attempts: 1, backoffMs: 0, jitter: 0, ...withoutUndefined(given.retry) },
    forEach: given.forEach,
    timeoutMs: given.timeoutMs,
    onFailure: given.onFailure ?? 'continue',
    initialDelayMs: given.initialDelayMs ?? 0,
    jitterMs: given.jitterMs ?? 0,
    runOnStart: given.runOnStart ?? false,
    fixedDelay: (given.fixedDelay ?? false) && kind === 'interval',
  };
}
