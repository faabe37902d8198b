import { pause } from '../util/pause.js';
import type { Slot } from '../schedule/slot.js';
import { AttemptRunner, type AttemptEnd } from './attempt-runner.js';
import { isWorthRetrying, retryWaitMs } from './retry.js';
import { RunningTicks, RunningTick } from './running-ticks.js';
import type { TickEvents } from './tick-ports.js';
import { emptyReport, tickReport, type AttemptReport, type TickReport } from './tick-report.js';

export interface TickRunOptions {
  /** The value of `tick.payload`. Default: the payload of the schedule. */
  readonly payload?: unknown;
  /** Concludes a tick that has run, for example by acknowledging the message. Runs before the next waiting slot can start. */
  readonly conclude?: (report: TickReport) => TickReport | Promise<TickReport>;
  /** Cancels the tick when this signal is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the attempts of a tick, each in its own scope, which closes before the next one opens. Every error ends up in the
 * report: `run` never rejects.
 */
export class TickRunner {
  constructor(
    private readonly attempts: AttemptRunner,
    private readonly running: RunningTicks,
    private readonly events: TickEvents,
  ) {}

  run(slot: Slot, { payload, conclude, signal }: TickRunOptions = {}): Promise<TickReport> {
    const given = payload === undefined ? slot.schedule.payload : payload;
    const tick = new RunningTick(slot, given, this.events);
    // The tick joins the running ticks first, because a listener for its first event may cancel it.
    this.running.add(tick);
    const unfollow = signal === undefined ? undefined : tick.follow(signal);
    // Hooks and the conclusion are part of the tick too, even after its scopes have closed.
    return tick.context.run(async () => {
      try {
        const report = await this.runAttempts(tick);
        return conclude === undefined ? report : await conclude(report);
      } catch (error) {
        return brokenReport(tick, error);
      } finally {
        unfollow?.();
        this.running.remove(tick);
      }
    });
  }

  private async runAttempts(tick: RunningTick): Promise<TickReport> {
    const { retry } = tick.slot.schedule.options;
    const history: AttemptReport[] = [];
    try {
      for (;;) {
        let end: AttemptEnd | undefined = await this.attempts.run(tick.begin(history.length + 1));
        const { report, isAborted } = end;
        history.push(report);
        tick.attemptEnded();
        // If an aborted attempt failed for another reason, the tick has failed, as it would have without retries.
        if (report.outcome === 'succeeded' || isAborted || !isWorthRetrying(report, retry))
          return tickReport(tick, history, end.value);
        end = undefined; // so that the handler's return value isn't kept while the tick waits
        if (tick.stopped === undefined) await this.waitForRetry(tick, report);
        if (tick.stopped !== undefined)
          return {
            ...tickReport(tick, history, undefined),
            endedAt: new Date(),
            outcome: 'cancelled',
            reason: tick.stopped,
          };
      }
    } catch (error) {
      return brokenReport(tick, error);
    } finally {
      tick.isOver = true;
    }
  }

  private async waitForRetry(tick: RunningTick, { attempt, error }: AttemptReport): Promise<void> {
    const { name, options } = tick.slot.schedule;
    let waitMs = 0;
    try {
      waitMs = retryWaitMs(options.retry, attempt);
    } catch (thrown) {
      this.events.emit('failure:stray', {
        where: 'retry-backoff',
        schedule: name,
        tickId: tick.id,
        error: thrown,
      });
    }
    this.events.emit('tick:retrying', { schedule: name, tickId: tick.id, attempt, error, waitMs });
    await pause(waitMs, tick.waitSignal);
  }
}

/**
 * Returns the report of a tick that failed because of a bug in the library. Such a failure is reported like any other, and the
 * schedule continues.
 */
function brokenReport({ slot, id }: RunningTick, error: unknown): TickReport {
  return { ...emptyReport(slot, id, 'failed'), attempts: 1, phase: 'handler', error };
}
