import type { CronExpression } from './cron-expression.js';

/** The due times of a schedule, as pure arithmetic on epoch milliseconds; undefined means that no due times are left. */
export interface Timeline {
  /**
   * Returns the first due time of a schedule that can run from `startAt` on. For a cron, a due time at that exact moment is omitted.
   */
  first(startAt: number, delayed: boolean): number | undefined;
  /** Returns the next due time after `due`. */
  after(due: number): number | undefined;
  /** Returns a due time near `from`, never before `due`, without stepping through all due times in between. */
  skipTo(due: number, from: number): number | undefined;
  /** Returns the first due time of a schedule that restarts at `now`. */
  again(now: number): number | undefined;
  /** True if the due times are moments on the wall clock. Otherwise, they move with the clock when it is set back. */
  readonly followsClock: boolean;
}

export class CronTimeline implements Timeline {
  readonly followsClock = true;

  constructor(private readonly cron: CronExpression) {}

  first(startAt: number): number | undefined {
    return this.cron.next(startAt);
  }

  after(due: number): number | undefined {
    return this.cron.next(due);
  }

  skipTo(due: number, from: number): number | undefined {
    return this.cron.next(Math.max(due, from));
  }

  again(now: number): number | undefined {
    return this.cron.next(now);
  }
}

/** Returns a fixed grid. It begins one period after start-up or, with an initial delay, when that delay has elapsed. */
export function intervalTimeline(everyMs: number): Timeline {
  return {
    first: (startAt, delayed) => (delayed ? startAt : startAt + everyMs),
    after: (due) => due + everyMs,
    skipTo: (due, from) => due + Math.max(Math.floor((from - due) / everyMs), 0) * everyMs,
    again: (now) => now + everyMs,
    followsClock: false,
  };
}

/** Returns a timeline with one due time, `delayMs` after start-up. */
export function timeoutTimeline(delayMs: number): Timeline {
  return { ...NEVER_DUE, first: (startAt) => startAt + delayMs, again: (now) => now };
}

/** Returns a timeline with one known due time; once that time has passed, the schedule is never due again. */
export function instantTimeline(at: number): Timeline {
  const first = (startAt: number): number | undefined => (at >= startAt ? at : undefined);
  return { ...NEVER_DUE, first, again: first, followsClock: true };
}

/** The timeline of a schedule that is off or undecided. */
export const NEVER_DUE: Timeline = {
  first: () => undefined,
  after: () => undefined,
  skipTo: () => undefined,
  again: () => undefined,
  followsClock: false,
};
