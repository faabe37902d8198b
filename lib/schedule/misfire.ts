import type { EngineSchedule } from './schedule.js';

/** What becomes of slots that are due together: which run, oldest first, and which do not. */
export interface MisfireDecision {
  readonly run: readonly number[];
  readonly missed: readonly number[];
}

/** Slots that `misfire: 'all'` makes up for at most. */
export const MOST_MADE_UP = 1_000;

/**
 * Decides about slots that passed until `now`, which is more than one when the event loop was blocked or the machine
 * slept. A slot that is late by no more than the threshold runs, whatever the policy. The others: all of them, the latest, or none.
 *
 * The punctual slots of an interval merge into the latest, unless all are asked for: its period is shorter than the threshold.
 *
 * @param due in epoch milliseconds, oldest first; at least one.
 */
export function decideMisfire(
  { kind, options: { misfire, misfireThresholdMs } }: Pick<EngineSchedule, 'kind' | 'options'>,
  due: readonly number[],
  now: number,
): MisfireDecision {
  if (misfire === 'all') {
    return { run: due.slice(-MOST_MADE_UP), missed: due.slice(0, -MOST_MADE_UP) };
  }
  const late = due.filter((slot) => now - slot > misfireThresholdMs);
  const punctual = due.slice(late.length);
  const isMerged = kind === 'interval' && punctual.length > 1;
  const merged = isMerged ? punctual.splice(0, punctual.length - 1) : [];
  const madeUp = misfire === 'once' ? late.splice(-1) : [];
  return { run: [...madeUp, ...punctual], missed: [...late, ...merged] };
}
