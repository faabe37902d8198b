import type { EngineSchedule } from './schedule.js';
import type { Timeline } from './timeline.js';

/** The slots that are due together, divided into those that run and those that are missed, both oldest first. */
export interface MisfireDecision {
  readonly run: readonly number[];
  readonly missed: readonly number[];
}

/** The maximum number of slots that `misfire: 'all'` catches up. */
export const MOST_CAUGHT_UP = 1_000;

/** The search for slots begins with a window of at least this length. */
const FIRST_WINDOW_MS = 60_000;

/**
 * Returns the slots from `at` until `now`, oldest first, and the slot after them. Usually, `at` is the only one. After a long
 * sleep, there may be too many slots to go through. In that case, only the latest are returned: at least `most` of them, and all
 * that are punctual.
 */
export function dueUntil(
  now: number,
  at: number,
  timeline: Timeline,
  { most, misfireThresholdMs }: { readonly most: number; readonly misfireThresholdMs: number },
): { readonly due: readonly number[]; readonly next: number | undefined } {
  const second = timeline.after(at);
  if (second === undefined || second > now) return { due: [at], next: second };
  for (let windowMs = Math.max(FIRST_WINDOW_MS, misfireThresholdMs + 1); ; windowMs *= 4) {
    const isAll = now - windowMs <= at;
    let next = isAll ? at : timeline.skipTo(at, now - windowMs);
    const due: number[] = [];
    for (; next !== undefined && next <= now; next = timeline.after(next)) due.push(next);
    if (isAll || due.length >= most) return { due, next };
  }
}

/**
 * Decides which of the slots that were due by `now` run. A slot that is late by no more than the threshold runs. Of the others,
 * either all, only the latest, or none run, depending on `misfire`.
 *
 * If an interval's period is shorter than the threshold, only the latest of its punctual slots runs, except with `'all'`.
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
  const punctual = due.slice(late.length); // `due` is in order
  const caughtUp = misfire === 'once' ? late.slice(-1) : [];
  const onTime = kind === 'interval' ? punctual.slice(-1) : punctual;
  return {
    run: [...caughtUp, ...onTime],
    missed: [
      ...late.slice(0, late.length - caughtUp.length),
      ...punctual.slice(0, punctual.length - onTime.length),
    ],
  };
}
