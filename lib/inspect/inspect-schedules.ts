import type { UndecidedSchedule } from '../discovery/schedule-planner.js';
import { tokenText } from '../nest/index.js';
import { zoneName } from '../schedule/cron-expression.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import type { InspectedSchedule } from './inspection.js';

const RUNS = 5;

export function inspectSchedule(
  schedule: Schedule,
  from: Date,
  isPaused = false,
): InspectedSchedule {
  const { name, handler, kind, options } = schedule;
  const isOff = isDisabled(schedule);
  const state = isPaused ? 'paused' : 'active';
  return {
    name,
    handler,
    kind,
    due: dueOf(schedule),
    timeZone: kind === 'cron' ? zoneName(options) : undefined,
    state: isOff ? 'disabled' : state,
    runsOnStart: options.runOnStart && !isOff,
    nextRuns: isOff || isPaused ? [] : nextRuns(schedule, from.getTime()),
  };
}

export function inspectUndecided({
  schedule: { name, handler, kind, options },
  handler: {
    metadata: { when },
  },
}: UndecidedSchedule): InspectedSchedule {
  const isMessage = kind === 'message';
  const stateOf = (): InspectedSchedule['state'] => {
    if (options.disabled) return 'disabled';
    return isMessage ? 'active' : 'undecided';
  };
  return {
    name,
    handler,
    kind,
    due: isMessage ? `each message of ${tokenText(when)}` : 'decided by a provider at start-up',
    timeZone: kind === 'cron' ? zoneName(options) : undefined,
    state: stateOf(),
    runsOnStart: options.runOnStart && !options.disabled,
    nextRuns: [],
  };
}

function dueOf({ kind, expression, everyMs, timeline, consumer }: Schedule): string {
  if (kind === 'message') return `each message of ${consumer!.sourceName}`;
  if (expression !== undefined) return expression;
  if (kind === 'interval') return everyMs === undefined ? 'never' : `every ${everyMs} ms`;
  if (everyMs !== undefined) return `${everyMs} ms after the start`;
  const at = timeline.first(Number.MIN_SAFE_INTEGER, false);
  return at === undefined ? 'never' : `once, at ${new Date(at).toISOString()}`;
}

function nextRuns({ timeline, options }: Schedule, from: number): string[] {
  const runs: string[] = [];
  const startAt = from + options.initialDelayMs;
  let due = timeline.first(startAt, options.initialDelayMs > 0);
  if (options.runOnStart) {
    runs.push(new Date(startAt).toISOString());
    // The tick on start-up replaces a slot that is due at the same moment.
    if (due === startAt) due = timeline.after(due);
  }
  for (; due !== undefined && runs.length < RUNS; due = timeline.after(due))
    runs.push(new Date(due).toISOString());
  return runs;
}
