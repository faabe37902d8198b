import type { CronExpression } from './cron-expression.js';

/** The due moments of a schedule, as pure arithmetic on epoch milliseconds. */
export interface Timeline {
  /** The first due moment of a schedule that may run from `startAt` on; undefined when there is none. */
  first(startAt: number, delayed: boolean): number | undefined;
  /** The next due moment after `due`; undefined when there is none. */
  after(due: number): number | undefined;
  /** A due moment near `from`, for a walk from `due` that would be too long; never before `due`. */
  skipTo(due: number, from: number): number | undefined;
  /** The first due moment of a schedule that counts afresh from `now`. */
  again(now: number): number | undefined;
}

/** The due moments of a cron expression. */
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

/** A fixed grid from the first due moment on. */
export class IntervalTimeline implements Timeline {
  constructor(private readonly everyMs: number) {}

  /** One period after start-up; with an initial delay, right after that delay. */
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

/** One due moment, some time after start-up. */
export class TimeoutTimeline implements Timeline {
  constructor(private readonly delayMs: number) {}

  first(startAt: number): number {
    return startAt + this.delayMs;
  }

  after(): undefined {
    return undefined;
  }

  skipTo(): undefined {
    return undefined;
  }

  again(now: number): number {
    return now;
  }
}

/** One due moment that is known; never due when it has passed. */
export class InstantTimeline implements Timeline {
  constructor(private readonly at: number) {}

  first(startAt: number): number | undefined {
    return this.at >= startAt ? this.at : undefined;
  }

  after(): undefined {
    return undefined;
  }

  skipTo(): undefined {
    return undefined;
  }

  again(now: number): number | undefined {
    return this.first(now);
  }
}

/** The timeline of a schedule that is switched off. */
export class EmptyTimeline implements Timeline {
  first(): undefined {
    return undefined;
  }

  after(): undefined {
    return undefined;
  }

  skipTo(): undefined {
    return undefined;
  }

  again(): undefined {
    return undefined;
  }
}
