import { CronExpression, type CronZone } from './cron-expression.js';
import { handlerOptionProblems } from './check-handler-options.js';
import { delayProblem, periodProblem, show } from '../util/option-checks.js';
import {
  CronTimeline,
  instantTimeline,
  intervalTimeline,
  NEVER_DUE,
  timeoutTimeline,
  type Timeline,
} from './timeline.js';
import type { ScheduleKind } from './handler-options.js';

/** The timing of a schedule, read from its decorator, the configuration or a caller. */
export interface Timing {
  readonly kind: ScheduleKind;
  /** The cron expression; undefined for the other kinds. */
  readonly expression: string | undefined;
  /** The period or delay in milliseconds; undefined for crons, messages and instants. */
  readonly everyMs: number | undefined;
  readonly timeline: Timeline;
  /** True if the expression `'-'` has switched the schedule off, as in Spring. */
  readonly isOff: boolean;
}

export type TimingOrProblem =
  | { readonly timing: Timing; readonly problem?: never }
  | { readonly timing?: never; readonly problem: string };

/** What error texts call the decorator argument that decides when the schedule is due. */
export const WHAT_IS_DUE = {
  cron: 'cron expression',
  interval: 'period',
  timeout: 'delay',
  message: 'source',
} as const satisfies Record<ScheduleKind, string>;

/** The expression that switches a schedule off. */
export const OFF = '-';

/**
 * Reads a cron expression, a period, a delay or an instant. If `when` is invalid, returns the problem as a clause to follow
 * text such as `the period of @ScopedInterval`.
 *
 * @param canBeOff True if `'-'` means switched off.
 */
export function readTiming(
  kind: ScheduleKind,
  when: unknown,
  zone: CronZone,
  canBeOff = kind === 'cron',
): TimingOrProblem {
  const timing = neverDueTiming(kind);
  if (kind === 'message') return { timing };
  if (when === OFF && canBeOff) {
    const expression = kind === 'cron' ? OFF : undefined;
    return { timing: { ...timing, expression, isOff: true } };
  }
  if (kind === 'cron') {
    const cron = readCron(when, zone, canBeOff);
    return typeof cron === 'string'
      ? { problem: cron }
      : { timing: { ...timing, expression: cron.source, timeline: new CronTimeline(cron) } };
  }
  if (kind === 'timeout' && when instanceof Date) {
    const at = when.getTime();
    if (Number.isNaN(at)) return { problem: 'is an invalid Date' };
    return { timing: { ...timing, timeline: instantTimeline(at) } };
  }
  const isInterval = kind === 'interval';
  const problem = isInterval ? periodProblem(when) : delayProblem(when);
  if (problem !== undefined) return { problem };
  const everyMs = when as number;
  const timeline = isInterval ? intervalTimeline(everyMs) : timeoutTimeline(everyMs);
  return { timing: { ...timing, everyMs, timeline } };
}

/** Returns the timing of a schedule that is never due: it has no due times, or they aren't known yet. */
export function neverDueTiming(kind: ScheduleKind): Timing {
  return { kind, expression: undefined, everyMs: undefined, timeline: NEVER_DUE, isOff: false };
}

/** Returns the expression, or the problem with it. A bad zone is reported with the problems of the other options. */
function readCron(when: unknown, zone: CronZone, canBeOff: boolean): CronExpression | string {
  const fields = "write five fields, or six with the seconds first, such as '0 */5 * * * *'";
  const help = canBeOff ? `${fields}, or '-' to disable the schedule` : fields;
  if (when instanceof Date)
    return 'must be a string, not a Date; for a single run, use @ScopedTimeout with a delay in milliseconds';
  if (typeof when !== 'string') return `must be a string, not ${show(when)}; ${help}`;
  const { timeZone, utcOffset } = zone;
  const isGoodZone = handlerOptionProblems({ timeZone, utcOffset }).length === 0;
  try {
    return CronExpression.of(when, isGoodZone ? zone : { timeZone: 'UTC', utcOffset: undefined });
  } catch (error) {
    return `cannot be read: ${show(when)} (${(error as Error).message}); ${help}`;
  }
}
