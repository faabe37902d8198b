import type { CronExpression } from './cron-expression.js';

/** The due times of a schedule, as pure arithmetic on epoch milliseconds; undefined where there are no more. */
export interface Timeline {
  /** Returns the first due time of a schedule that may run from `startAt` on. */
  first(startAt: number, delayed: boolean): number | undefined;
  /** Returns the next due time after `due`. */
  after(due: number): number | undefined;
  /** Returns a due time near `from`, never before `due`, without stepping through all due times between. */
  skipTo(due: number, from: number): number | undefined;
  /** Returns the first due time of a schedule that restarts at `now`. */
  again(now: number): number | undefined;
}

export class CronTimeline implements Timeline {
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

/** A fixed grid from the first due time on. */
export class IntervalTimeline implements Timeline {
  constructor(private readonly everyMs: number) {}

  /** Returns one period after start-up; with an initial delay, the end of that delay. */
  first(startAt: number, delayed: boolean): number {
    return delayed ? startAt : startAt + this.everyMs;
  }

  after(due: number): number {
    return due + this.everyMs;
  }

  skipTo(due: number, from: number): number {
    return due + Math.max(Math.floor((from - due) / this.everyMs), 0) * this.everyMs;
  }

  again(now: number): number {
    return now + this.everyMs;
  }
}

/** At most one due time. */
abstract class SingleTimeline implements Timeline {
  abstract first(startAt: number): number | undefined;
  abstract again(now: number): number | undefined;

  after(): undefined {
    return undefined;
  }

  skipTo(): undefined {
    return undefined;
  }
}

/** One due time, some time after start-up. */
export class TimeoutTimeline extends SingleTimeline {
  constructor(private readonly delayMs: number) {
    super();
  }

  first(startAt: number): number {
    return startAt + this.delayMs;
  }

  again(now: number): number {
    return now;
  }
}

/** One known due time; never due once it has passed. */
export class InstantTimeline extends SingleTimeline {
  constructor(private readonly at: number) {
    super();
  }

  first(startAt: number): number | undefined {
    return this.at >= startAt ? this.at : undefined;
  }

  again(now: number): number | undefined {
    return this.first(now);
  }
}

/** The timeline of a schedule that is off or undecided. */
export class EmptyTimeline extends SingleTimeline {
  first(): undefined {
    return undefined;
  }

  again(): undefined {
    return undefined;
  }
}
