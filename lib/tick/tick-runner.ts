import { livingContext, WorkContext } from '../scope/work-context.js';
import { pause } from '../util/pause.js';
import type { Slot } from '../schedule/slot.js';
import { AttemptRunner } from './attempt-runner.js';
import { isWorthRetrying, retryWaitMs } from './retry.js';
import { RunningTicks } from './running-ticks.js';
import { TickCourse } from './running-tick.js';
import { TickObserver } from './tick-observer.js';
import { emptyReport, tickReport, type AttemptReport, type TickReport } from './tick-report.js';

/** What is done with a tick that has run, before it is told: a message is acknowledged. */
export type Conclude = (report: TickReport) => TickReport | Promise<TickReport>;

export interface TickRunOptions {
  /** The value of `tick.payload`; otherwise the payload of the schedule. */
  readonly payload?: unknown;
  /** The last step of a tick that has run, before its overlap slot is freed: a message is acknowledged. Must not reject. */
  readonly conclude?: Conclude | undefined;
  /** Cancels the tick when this signal is aborted. */
  readonly signal?: AbortSignal;
}

function asItIs(report: TickReport): TickReport {
  return report;
}

/**
 * Takes a tick through its attempts, each in a scope of its own that is closed before the next one opens. Whatever
 * happens on the way ends in the report: `run` never rejects.
 */
export class TickRunner {
  constructor(
    private readonly attempts: AttemptRunner,
    private readonly running: RunningTicks,
    private readonly observer: TickObserver,
  ) {}

  run(
    slot: Slot,
    { payload, conclude = asItIs, signal }: TickRunOptions = {},
  ): Promise<TickReport> {
    const given = payload === undefined ? slot.schedule.payload : payload;
    const course = new TickCourse(slot, given, this.observer);
    // It stands among the running ticks first: a listener of its first event may want to cancel it.
    this.running.add(course);
    const unfollow = signal === undefined ? undefined : course.follow(signal);
    // Hooks and the conclusion are part of the tick as well, beyond the life of its scopes.
    const context = new WorkContext(course, livingContext());
    const report = context.run(() =>
      this.runAttempts(course)
        .catch((error: unknown) => brokenReport(course, error))
        .then((report) => {
          course.isOver = true;
          return conclude(report);
        })
        .catch((error: unknown) => brokenReport(course, error)),
    );
    void report.then(() => {
      unfollow?.();
      course.end();
    });
    // After it has left the running ticks: a shutdown that it began must not take it for another one that runs.
    void course.done.then(() => context.end());
    return report;
  }

  private async runAttempts(course: TickCourse): Promise<TickReport> {
    const { retry } = course.slot.schedule.options;
    const history: AttemptReport[] = [];
    for (;;) {
      const ended = await this.runAttempt(course, history, retry);
      if (ended !== undefined) return ended;
      if (course.stopped === undefined) await this.waitForRetry(course, history.at(-1)!);
      if (course.stopped !== undefined)
        return {
          ...tickReport(course, history, undefined),
          endedAt: new Date(),
          outcome: 'cancelled',
          reason: course.stopped,
        };
    }
  }

  /**
   * Runs an attempt of its own function: what its handler returned must not be kept while the next one is waited for.
   *
   * @returns undefined when another one may follow.
   */
  private async runAttempt(
    course: TickCourse,
    history: AttemptReport[],
    retry: Parameters<typeof isWorthRetrying>[1],
  ): Promise<TickReport | undefined> {
    const { report, value, isAborted } = await this.attempts.run(course.begin(history.length + 1));
    history.push(report);
    course.attemptEnded();
    // What was aborted and failed by something else has failed, as it would have without retries.
    const isLast = isAborted || !isWorthRetrying(report, retry);
    return isLast ? tickReport(course, history, value) : undefined;
  }

  private async waitForRetry(course: TickCourse, { attempt, error }: AttemptReport): Promise<void> {
    const { name, options } = course.slot.schedule;
    let waitMs = 0;
    try {
      waitMs = retryWaitMs(options.retry, attempt);
    } catch (thrown) {
      this.observer.backoffFailed({ schedule: name, id: course.id }, thrown);
    }
    this.observer.tickRetrying({ schedule: name, tickId: course.id, attempt, error, waitMs });
    await pause(waitMs, course.waitSignal);
  }
}

/** The report of a tick that the library itself has let down: even then it is told, and the schedule lives on. */
function brokenReport({ slot, id }: TickCourse, error: unknown): TickReport {
  return {
    ...emptyReport(slot, id),
    attempts: 1,
    outcome: 'failed',
    phase: 'handler',
    error,
  };
}
