import type { Slot, Trigger } from '../schedule/slot.js';
import type { Tick } from './tick.interface.js';

/** Why a tick was aborted from outside; `overlap`: a newer tick replaces it. */
export type AbortCause = 'shutdown' | 'cancel' | 'overlap';

/** The outcome of a tick. */
export type TickOutcome = 'succeeded' | 'failed' | 'cancelled' | 'timed-out' | 'skipped';

/**
 * The phase in which a tick failed.
 *
 * - `around`: an `around` hook threw after `next()`. The scope has committed, but the hook may have rolled back the work.
 * - `ack`: the work is committed, but the message couldn't be acknowledged.
 */
export type TickPhase = 'open' | 'resolve' | 'handler' | 'commit' | 'dispose' | 'around' | 'ack';

/**
 * Why a tick was skipped.
 *
 * - `overlap`: the previous tick was still running, or the running tick requested another run.
 * - `merged`: another tick replaced this one while it waited, or a waiting manual run was kept instead of this one.
 * - `paused`: the schedule is paused.
 * - `missed`: the slot passed while the event loop was blocked or the machine slept.
 * - `not-started`: start-up isn't complete.
 * - `stopping`: the application is shutting down.
 * - `removed`: the schedule was removed while the tick waited.
 * - `no-items`: the `forEach` list was empty.
 * - `already-done`: with `once`, another run has done the work of the slot or the message.
 */
export type SkipReason =
  | 'overlap'
  | 'merged'
  | 'paused'
  | 'missed'
  | 'not-started'
  | 'stopping'
  | 'removed'
  | 'no-items'
  | 'already-done';

/**
 * The result of one attempt of a tick.
 *
 * @publicApi
 */
export interface AttemptReport {
  /** The number of the attempt, starting at 1. */
  readonly attempt: number;
  /** The id of the attempt's scope; undefined if the scope couldn't be opened. */
  readonly scopeId: string | undefined;
  readonly startedAt: Date;
  /** When the attempt ended: after its scope had closed and all `around` hooks had ended. */
  readonly endedAt: Date;
  /** `skipped` only if another run had done the work already. */
  readonly outcome: TickOutcome;
  readonly reason?: AbortCause | 'already-done';
  readonly phase?: TickPhase;
  /**
   * Set if a commit hook threw after another one had returned `'committed'`. The committed work isn't undone, so no attempt
   * follows.
   */
  readonly isPartlyCommitted?: true;
  readonly error?: unknown;
  readonly disposeErrors: readonly unknown[];
  readonly built: number;
  readonly disposed: number;
  readonly durationMs: number;
  readonly disposeMs: number;
}

/** Identifies one attempt of a tick. */
export interface TickAttemptId {
  readonly schedule: string;
  readonly tickId: string;
  /** The id of the message that a consumer handles; undefined for all other ticks. */
  readonly messageId: string | undefined;
  /** The number of the attempt, starting at 1. */
  readonly attempt: number;
}

/** Emitted if the work of an attempt hasn't settled 5 seconds after its `timeoutMs` has elapsed. */
export interface TickOverrun extends TickAttemptId {
  readonly timeoutMs: number;
}

/** Emitted after an attempt that didn't succeed, before the wait for the next one. */
export interface TickRetry {
  readonly schedule: string;
  readonly tickId: string;
  /** The number of the failed attempt, starting at 1. */
  readonly attempt: number;
  readonly error: unknown;
  /** The wait before the next attempt, in milliseconds. */
  readonly waitMs: number;
}

/**
 * The result of a finished tick.
 *
 * @publicApi
 */
export interface TickReport {
  readonly schedule: string;
  /** The handler, in the form `Class.method`; for a function, its name, or `'function'` if it has none. */
  readonly handler: string;
  readonly tickId: string;
  readonly trigger: Trigger;
  /** The id of the message that triggered the tick; undefined for all other triggers. */
  readonly messageId?: string;
  readonly scheduledAt: Date;
  readonly firedAt: Date;
  readonly endedAt: Date;
  /** The number of attempts made; 0 for a tick that was skipped before its first attempt. */
  readonly attempts: number;
  /**
   * The attempts, in order. The tick's outcome, phase and errors are those of the last attempt, unless the tick failed or was
   * cancelled after that attempt.
   */
  readonly history: readonly AttemptReport[];
  readonly outcome: TickOutcome;
  /** Why the tick was skipped or cancelled; for a `forEach` list with failed items, why the list was cut short. */
  readonly reason?: SkipReason | AbortCause;
  /** The phase in which the tick failed; undefined if it succeeded or was skipped. */
  readonly phase?: TickPhase;
  /** Set if a commit hook threw after another one had returned `'committed'`. The committed work stays: the tick isn't retried. */
  readonly isPartlyCommitted?: true;
  /**
   * The error as it was thrown; after a timeout, a `TickTimeoutError`. If only disposal failed, this is the disposer's error. If
   * several disposers failed, it is an `AggregateError`.
   */
  readonly error?: unknown;
  /**
   * The errors of `onScopeRollback`, of `waitFor` work that failed after the verdict, and of disposers, in this order. The errors
   * of `around` hooks follow, innermost first, except the one in `error`.
   */
  readonly disposeErrors: readonly unknown[];
  /** The handler's return value, or the last value of its Observable. */
  readonly value?: unknown;
  /** The reports of the items of a `forEach` list; only in the report of a manual run, or of a list that was cut short. */
  readonly items?: readonly TickReport[];
  /** The number of instances that the scopes of the tick's attempts owned. */
  readonly built: number;
  /** The number of these instances whose disposer was called. */
  readonly disposed: number;
  /** The time from `firedAt` to `endedAt`, in milliseconds, with fractions. */
  readonly durationMs: number;
  /** The part of `durationMs` that disposers and deferred cleanups took. */
  readonly disposeMs: number;
}

/** Names a tick for the log, such as `ReportWorker.send (tick-1)`. */
export function tickLabel(schedule: string, tickId: string, messageId: string | undefined): string {
  const message = messageId === undefined ? '' : `, message ${messageId}`;
  return `${schedule} (${tickId}${message})`;
}

/** Returns the report of a tick that didn't run: nothing was built for it. */
export function skippedReport(slot: Slot, tickId: string, reason: SkipReason): TickReport {
  return { ...emptyReport(slot, tickId, 'skipped'), reason };
}

/** Returns a report with the fields that every report has. All counts and durations are 0. */
export function emptyReport(
  slot: Slot,
  tickId: string,
  outcome: TickOutcome,
  firedAt = new Date(),
  endedAt = firedAt,
): TickReport {
  const { schedule, trigger, messageId, scheduledAt } = slot;
  const report: Writable<TickReport> = {
    schedule: schedule.name,
    handler: schedule.handler,
    tickId,
    trigger,
    scheduledAt,
    firedAt,
    endedAt,
    attempts: 0,
    history: [],
    outcome,
    disposeErrors: [],
    built: 0,
    disposed: 0,
    durationMs: 0,
    disposeMs: 0,
  };
  if (messageId !== undefined) report.messageId = messageId;
  return report;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Returns the report of a tick that has run. */
export function tickReport(
  tick: Pick<Tick, 'id' | 'firedAt'> & { readonly slot: Slot; readonly startedAt: number },
  history: readonly AttemptReport[],
  value: unknown,
): TickReport {
  const { slot, id, firedAt } = tick;
  const last = history.at(-1)!;
  const { endedAt, reason, phase, isPartlyCommitted, error, disposeErrors } = last;
  // A retry finds the work done, for example, if the COMMIT of an earlier attempt succeeded but its answer was lost.
  const isDone = last.outcome === 'skipped' && history.length > 1;
  const outcome = isDone ? 'succeeded' : last.outcome;
  // Filled in place, because copying would cost each tick as much as creating its scope.
  const report: Writable<TickReport> = emptyReport(slot, id, outcome, firedAt, endedAt);
  report.attempts = history.length;
  report.history = history;
  report.disposeErrors = disposeErrors;
  report.built = sum(history, 'built');
  report.disposed = sum(history, 'disposed');
  report.durationMs = performance.now() - tick.startedAt;
  report.disposeMs = sum(history, 'disposeMs');
  if (reason !== undefined && !isDone) report.reason = reason;
  if (outcome !== 'succeeded' && outcome !== 'skipped') {
    report.phase = phase!;
    report.error = error;
  }
  if (isPartlyCommitted) report.isPartlyCommitted = isPartlyCommitted;
  if (value !== undefined) report.value = value;
  return report;
}

export function sum<K extends PropertyKey>(
  reports: readonly Readonly<Record<K, number>>[],
  key: K,
): number {
  return reports.reduce((total, report) => total + report[key], 0);
}
