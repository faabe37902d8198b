import type { UndecidedSchedule } from '../discovery/schedule-planner.js';
import { tokenText } from '../nest/index.js';
import { zoneName } from '../schedule/cron-expression.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import type { InspectedSchedule } from './inspection.interface.js';

const RUNS = 5;

export function inspectSchedule(
  schedule: Schedule,
  from: Date,
  isPaused = false,
): InspectedSchedule {
  const state = isDisabled(schedule) ? 'disabled' : isPaused ? 'paused' : 'active';
  const runs = state === 'active' ? nextRuns(schedule, from.getTime()) : [];
  return shown(schedule, dueOf(schedule), state, runs);
}

export function inspectUndecided({ schedule, handler }: UndecidedSchedule): InspectedSchedule {
  const isMessage = schedule.kind === 'message';
  const due = isMessage
    ? `each message of ${tokenText(handler.metadata.when)}`
    : 'decided by a provider at start-up';
  const state = isMessage ? 'active' : 'undecided';
  return shown(schedule, due, isDisabled(schedule) ? 'disabled' : state);
}

function shown(
  { name, handler, kind, options }: Schedule,
  due: string,
  state: InspectedSchedule['state'],
  runs: readonly string[] = [],
): InspectedSchedule {
  const timeZone = kind === 'cron' ? zoneName(options) : undefined;
  const runsOnStart = options.runOnStart && state !== 'disabled';
  return {
    name,
    handler,
    kind,
    due,
    timeZone,
    state,
    runsOnStart,
    runsForEachItem: options.forEach !== undefined,
    nextRuns: runs,
  };
}

function dueOf({ kind, expression, everyMs, timeline, consumer, options }: Schedule): string {
  if (kind === 'message') return `each message of ${consumer!.sourceName}`;
  if (expression !== undefined) return expression;
  if (kind === 'interval' && everyMs !== undefined)
    return options.fixedDelay ? `${everyMs} ms after each run` : `every ${everyMs} ms`;
  if (kind === 'interval') return 'never';
  if (everyMs !== undefined) return `${everyMs} ms after the start`;
  const at = timeline.first(Number.MIN_SAFE_INTEGER, false);
  return at === undefined ? 'never' : `once, at ${new Date(at).toISOString()}`;
}

function nextRuns({ timeline, options }: Schedule, from: number): string[] {
  const runs: string[] = [];
  const most = options.fixedDelay ? 1 : RUNS; // later runs depend on how long each run takes
  const startAt = from + options.initialDelayMs;
  let due = timeline.first(startAt, options.initialDelayMs > 0);
  if (options.runOnStart) {
    runs.push(new Date(startAt).toISOString());
    // The tick on start-up replaces a slot that is due at the same moment.
    if (due === startAt) due = timeline.after(due);
  }
  for (; due !== undefined && runs.length < most; due = timeline.after(due))
    runs.push(new Date(due).toISOString());
  return runs;
}
