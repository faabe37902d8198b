import { withoutUndefined } from './without-undefined.js';

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

/** What `HandlerOptions` says of every kind of schedule. */
export interface CommonHandlerOptions {
  /** Unique in the application. Default: `Class.method`. */
  readonly name?: string;
  /** The schedule is listed and never due. Default: false. */
  readonly disabled?: boolean;
  /**
   * What happens to a tick that is due while the one before it still runs.
   *
   * - `'skip'`: it is dropped, with a `tick:skipped` event. The default of crons and timeouts.
   * - `'allow'`: it runs at the same time, in a scope of its own.
   * - `'buffer-one'`: it runs right after the running one; more that come due meanwhile merge into it.
   *   The default of intervals.
   */
  readonly overlap?: 'skip' | 'allow' | 'buffer-one';
  /**
   * After this many milliseconds the tick's signal is aborted and the tick counts as `timed-out`. The
   * handler is not stopped: its scope lives until it has really ended. Minimum 1. Default: no limit.
   */
  readonly timeoutMs?: number;
  /**
   * What a tick that failed or timed out does to its schedule: `'continue'` (default), `'pause'`, or
   * `'stop-app'`, which closes the application and ends the process with a non-zero code.
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
};

/** The options of one schedule once every default is filled in. */
export interface ResolvedHandlerOptions {
  readonly disabled: boolean;
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
  readonly overlap: NonNullable<CommonHandlerOptions['overlap']>;
  readonly timeoutMs: number | undefined;
  readonly onFailure: NonNullable<CommonHandlerOptions['onFailure']>;
  readonly initialDelayMs: number;
  readonly jitterMs: number;
  readonly runOnStart: boolean;
  readonly fixedDelay: boolean;
}

/** Fills in the defaults; the only place that knows them. Later layers beat earlier ones. */
export function resolveHandlerOptions(
  isInterval: boolean,
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
    overlap: given.overlap ?? (isInterval ? 'buffer-one' : 'skip'),
    timeoutMs: given.timeoutMs,
    onFailure: given.onFailure ?? 'continue',
    initialDelayMs: given.initialDelayMs ?? 0,
    jitterMs: given.jitterMs ?? 0,
    runOnStart: given.runOnStart ?? false,
    fixedDelay: given.fixedDelay ?? false,
  };
}
