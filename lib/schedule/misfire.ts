import type { EngineSchedule } from './schedule.js';

/** Which of the slots that are due together run, oldest first, and which are missed. */
export interface MisfireDecision {
  readonly run: readonly number[];
  readonly missed: readonly number[];
}

/** The maximum number of slots that `misfire: 'all'` catches up. */
export const MOST_CAUGHT_UP = 1_000;

/**
 * Decides which of the slots that passed until `now` run. A slot that is late by no more than the threshold always runs. Of the
 * others, all run, or the latest, or none.
 *
 * If an interval's period is shorter than the threshold, its punctual slots merge into the latest, except with `'all'`.
 *
 * @param due The slots in epoch milliseconds, oldest first; at least one.
 */
export function decideMisfire(
  { kind, options: { misfire, misfireThresholdMs } }: Pick<EngineSchedule, 'kind' | 'options'>,
  due: readonly number[],
  now: number,
): MisfireDecision {
  if (misfire === 'all') {
    return { run: due.slice(-MOST_CAUGHT_UP), missed: due.slice(0, -MOST_CAUGHT_UP) };
  }
  const late = due.filter((slot) => now - slot > misfireThresholdMs);
  const punctual = due.slice(late.length);
  const isMerged = kind === 'interval' && punctual.length > 1;
  const merged = isMerged ? punctual.splice(0, punctual.length - 1) : [];
  const caughtUp = misfire === 'once' ? late.splice(-1) : [];
  return { run: [...caughtUp, ...punctual], missed: [...late, ...merged] };
}
