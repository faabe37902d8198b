import type { Resolution } from '../nest/index.js';
import type { FromProviders } from './from-providers.js';
import { withoutUndefined } from '../util/values.js';

/** What makes a handler due. */
export type ScheduleKind = 'cron' | 'interval' | 'timeout' | 'message';

/** The zone of a cron: a named zone or a fixed offset, never both. */
export type ZoneOptions =
  | {
      /** The IANA name of the zone in which the cron expression is evaluated. Default: the zone of the process. */
      readonly timeZone?: string;
      readonly utcOffset?: never;
    }
  | {
      readonly timeZone?: never;
      /** The offset from UTC, in minutes, at which the cron expression is evaluated. */
      readonly utcOffset?: number;
    };

/**
 * Retries a tick whose attempt failed or timed out, each time in a new scope. A cancelled attempt isn't retried, nor is one whose
 * work is committed. An attempt with committed work can have failed only in disposal, or in a commit hook after another hook had
 * returned `'committed'`. A tick whose `around` hook fails after `next()` is retried, because the hook may have rolled back the
 * work.
 *
 * @publicApi
 */
export interface RetryOptions {
  /** The maximum number of attempts, the first one included. Minimum 1, which means no retry. */
  readonly attempts: number;
  /**
   * Milliseconds to wait before the next attempt, or a function that takes the number of the failed attempt (from 1). The tick
   * counts as running during the wait. A shutdown cuts the wait short. @defaultValue 0
   */
  readonly backoffMs?: number | ((attempt: number) => number);
  /** The random part of the wait, from 0 to 1: with 0.2, the actual wait is 80 to 100 percent of `backoffMs`. @defaultValue 0 */
  readonly jitter?: number;
}

/**
 * Options of `once`.
 *
 * @publicApi
 */
export interface OnceOptions {
  /**
   * The name of the data source whose transaction records the work. Needed only if the worker has transactions on several data sources.
   * Default: the one on which it has a transaction.
   */
  readonly dataSource?: string;
  /**
   * Milliseconds that a tick waits for another run of the same work. If that run hasn't ended by then, the tick fails. Minimum 1. On
   * MySQL and MariaDB, it is rounded up to whole seconds; on SQLite, it has no effect, because writers wait for each other anyway.
   * Default: 5,000.
   */
  readonly lockTimeoutMs?: number;
  /** Returns the key of an item of `forEach`, for example the id of a tenant. Required with `forEach`. */
  readonly itemKey?: (item: never) => string | number;
}

/** All `HandlerOptions` except those for the zone of a cron. */
export interface CommonHandlerOptions {
  /**
   * A name that is unique in the application and the same on every start. If a module is imported more than once, use
   * `{ inject, useFactory }`. The library calls the factory once, before any `onModuleInit`, with singletons, which it looks up
   * in the worker's module first. Default: `Class.method`.
   */
  readonly name?: string | FromProviders<string>;
  /** Keeps the schedule from being due. The registry still lists it, and can run it. Default: false. */
  readonly disabled?: boolean;
  /**
   * Decides what happens to a tick that comes due while the previous one is still running.
   *
   * - `'skip'`: it is skipped, with a `tick:skipped` event. The default for crons and timeouts.
   * - `'allow'`: it runs at the same time, in its own scope.
   * - `'buffer-one'`: it waits until the running one has finished. Of several waiting ticks, only the latest runs. The default for
   *   intervals.
   * - `'cancel-other'`: the running one is aborted, and the new one runs once the aborted one has finished. Of several waiting
   *   ticks, only the latest runs.
   */
  readonly overlap?: 'skip' | 'buffer-one' | 'allow' | 'cancel-other';
  /** Makes schedules with the same key count as one for `overlap`. Default: each schedule counts separately. */
  readonly overlapKey?: string;
  /**
   * The maximum number of concurrent ticks before `overlap` applies; with `'allow'`, further ticks wait their turn. With
   * `forEach`: the maximum number of concurrent items. Minimum 1. Default: 1; with `'allow'`, no limit; with `forEach`, 1.
   */
  readonly maxConcurrency?: number;
  /**
   * Decides what happens to slots that passed while the event loop was blocked or the machine slept.
   *
   * - `'once'`: the latest of them runs. The default.
   * - `'all'`: they run one after the other, oldest first; at most the latest 1,000.
   * - `'skip'`: none of them run.
   *
   * Each slot has its own `scheduledAt`. The library emits `tick:skipped` with the reason `missed` for slots that don't run. The
   * in-process engine doesn't know about slots that passed while the process was down.
   */
  readonly misfire?: 'skip' | 'once' | 'all';
  /** Milliseconds of lateness after which a slot counts as missed. Minimum 1. Default: 250, as in `cron`. */
  readonly misfireThresholdMs?: number;
  /** How a failed tick is retried. Default: one attempt. */
  readonly retry?: RetryOptions;
  /**
   * Runs a tick for each item of a list, such as a list of tenants. Each tick has its own scope and the item as `tick.payload`.
   * The library calls the factory when the schedule is due, in a separate scope, so `inject` may name request-scoped providers. If
   * one item fails, the others still run. `maxConcurrency` limits how many items run concurrently; for `overlap`, they count as
   * one tick. `registry.pause()`, `cancel()` and a shutdown end the list after the running items. `timeoutMs` and `retry` apply to
   * the items, not to the factory.
   */
  readonly forEach?: FromProviders<Iterable<unknown>>;
  /**
   * Makes the work of a slot or a message count once, even if it runs twice: the first statement of the tick's transaction records the
   * slot (schedule and `scheduledAt`) or the message (schedule and id). If another run has committed that record, the tick is rolled
   * back before the worker is built, and skipped with the reason `already-done`; a message is acknowledged. The worker must inject a
   * scoped repository or entity manager from `ScopedTypeOrmModule` with `transaction: true`, directly or through a provider. Effects
   * outside that transaction, such as an email, aren't covered. Manual runs and `runOnStart` runs aren't slots: each counts separately.
   * Default: false.
   */
  readonly once?: boolean | OnceOptions;
  /**
   * Milliseconds after which the signal of the attempt is aborted and the attempt counts as `timed-out`. The handler isn't
   * stopped: its scope stays open until the handler has finished. Minimum 1. Default: no limit.
   */
  readonly timeoutMs?: number;
  /**
   * Decides what happens to the schedule when a tick fails or times out: `'continue'` (default), `'pause'` or `'stop-app'`.
   * `'stop-app'` closes the application and ends the process with a non-zero code. With `forEach`, the other items of the list
   * still run.
   */
  readonly onFailure?: 'continue' | 'pause' | 'stop-app';
  /**
   * Decides how the worker and its dependencies are built. With `'compiled'`, a plan repeats what Nest did in the first two
   * ticks. With `'nest'`, Nest builds them in every tick. Default: the module's `resolution`.
   */
  readonly resolution?: Resolution;
  /** Milliseconds after start-up during which the schedule isn't due. Default: 0. */
  readonly initialDelayMs?: number;
  /** The maximum random delay before each tick, in milliseconds. Default: 0. */
  readonly jitterMs?: number;
  /** Runs one more tick right after start-up (after `initialDelayMs`), with the trigger `'start'`. Default: false. */
  readonly runOnStart?: boolean;
  /** Intervals only: counts the period from the end of the last run instead of using a fixed grid. Default: false. */
  readonly fixedDelay?: boolean;
}

/**
 * Options of a handler, from the module's `defaults`, `@ScopedWorker()`, the handler's decorator and `overrides` by schedule
 * name. Each of these overrides the ones before it.
 *
 * @publicApi
 */
export type HandlerOptions = CommonHandlerOptions & ZoneOptions;

/**
 * Options that apply to several handlers. `name` isn't allowed here, because each handler needs its own.
 *
 * @publicApi
 */
export type HandlerDefaults = Omit<CommonHandlerOptions, 'name'> & ZoneOptions;

/**
 * Options that override those of one schedule. `cron: '-'` disables it.
 *
 * @publicApi
 */
export type ScheduleOverride = HandlerDefaults & {
  /** Another cron expression, or `'-'`. Crons only. */
  readonly cron?: string;
  /** Another period in milliseconds. Intervals only. */
  readonly everyMs?: number;
  /** Another `concurrency`. Consumers only. */
  readonly concurrency?: number;
  /** Another `maxDeliveries`. Consumers only. */
  readonly maxDeliveries?: number;
};

/** The options that have no default themselves: they are optional, or each of their parts has its own default. */
type WithoutDefault =
  | 'name'
  | 'overlapKey'
  | 'maxConcurrency'
  | 'retry'
  | 'forEach'
  | 'once'
  | 'timeoutMs'
  | 'resolution';

/** The options of one schedule, with every default filled in. */
export interface ResolvedHandlerOptions extends Required<
  Omit<CommonHandlerOptions, WithoutDefault>
> {
  readonly timeZone: string | undefined;
  readonly utcOffset: number | undefined;
  readonly overlapKey: string | undefined;
  readonly maxConcurrency: number | undefined;
  readonly retry: Required<RetryOptions>;
  readonly forEach: FromProviders<Iterable<unknown>> | undefined;
  /** Undefined if the work isn't recorded. */
  readonly once: OnceOptions | undefined;
  readonly timeoutMs: number | undefined;
  /** Undefined if the module decides. */
  readonly resolution: Resolution | undefined;
}

const ONE_ATTEMPT: Required<RetryOptions> = { attempts: 1, backoffMs: 0, jitter: 0 };

/** Fills in the default values, which only this function knows. Later layers override earlier ones; callers decide the order. */
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
    retry:
      given.retry === undefined
        ? ONE_ATTEMPT
        : { ...ONE_ATTEMPT, ...withoutUndefined(given.retry) },
    forEach: given.forEach,
    once: given.once === true ? {} : given.once || undefined,
    timeoutMs: given.timeoutMs,
    onFailure: given.onFailure ?? 'continue',
    resolution: given.resolution,
    initialDelayMs: given.initialDelayMs ?? 0,
    jitterMs: given.jitterMs ?? 0,
    runOnStart: given.runOnStart ?? false,
    fixedDelay: (given.fixedDelay ?? false) && kind === 'interval',
  };
}
