import type { Slot, Trigger } from '../schedule/slot.js';

/** How a tick ended. */
export type TickOutcome = 'succeeded' | 'failed' | 'cancelled' | 'timed-out' | 'skipped';

/** Where a tick that did not succeed went wrong. */
export type TickPhase = 'open' | 'resolve' | 'handler' | 'commit' | 'dispose';

/**
 * Why a tick was skipped.
 *
 * - `overlap`: the one before it still ran, or the tick was asked for by a tick of its own schedule.
 * - `merged`: another one took its place in the buffer, or was asked for by hand and keeps it.
 * - `paused`: the schedule is paused.
 * - `missed`: the slot passed while the event loop was blocked or the machine slept.
 * - `not-started`: start-up is not complete.
 * - `stopping`: the application is shutting down.
 */
export type SkipReason = 'overlap' | 'merged' | 'paused' | 'missed' | 'not-started' | 'stopping';

/**
 * What is known of a finished tick.
 *
 * @publicApi
 */
export interface TickReport {
  readonly schedule: string;
  readonly tickId: string;
  readonly trigger: Trigger;
  readonly scheduledAt: Date;
  readonly firedAt: Date;
  readonly endedAt: Date;
  /** Attempts that were made; 0 for a skipped tick. */
  readonly attempts: number;
  readonly outcome: TickOutcome;
  /** Why it was skipped or cancelled. */
  readonly reason?: SkipReason | 'shutdown' | 'cancel';
  /** Where it went wrong; undefined when it succeeded or was skipped. */
  readonly phase?: TickPhase;
  /**
   * The error as it was thrown. When only disposal failed: the disposer's error, several as one
   * `AggregateError`.
   */
  readonly error?: unknown;
  /** Errors of `onScopeRollback` and of disposers, in the order in which they were called. */
  readonly disposeErrors: readonly unknown[];
  /** What the handler returned; the last value of an Observable. */
  readonly value?: unknown;
  /** Instances that the scope owned. */
  readonly built: number;
  /** Of these, how many had a disposer, which was called. */
  readonly disposed: number;
  /** From `firedAt` to `endedAt`, in milliseconds, with fractions. */
  readonly durationMs: number;
  /** Of this, how long the disposers took. */
  readonly disposeMs: number;
}

/** The report of a tick that did not run: nothing was built for it. */
export function skippedReport(slot: Slot, tickId: string, reason: SkipReason): TickReport {
  return { ...emptyReport(slot, tickId), outcome: 'skipped', reason };
}

/** What is known of any slot: nothing was built, nothing was measured. */
export function emptyReport(slot: Slot, tickId: string): Omit<TickReport, 'outcome'> {
  const now = new Date();
  return {
    schedule: slot.schedule.name,
    tickId,
    trigger: slot.trigger,
    scheduledAt: slot.scheduledAt,
    firedAt: now,
    endedAt: now,
    attempts: 0,
    disposeErrors: [],
    built: 0,
    disposed: 0,
    durationMs: 0,
    disposeMs: 0,
  };
}
