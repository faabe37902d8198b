import { Logger } from '@nestjs/common';
import { below, logError, logErrors, loggedError } from '../errors/error-log.js';
import { tickLabel, type TickOverrun, type TickReport } from '../tick/tick-report.js';
import { growthText, reachedText, recoveredText } from '../memory/memory-text.js';
import type { MemoryCrossing } from '../memory/memory-threshold.js';
import type { DeadLetter } from '../schedule/consumer-options.js';
import { isPartOf } from '../errors/error-parts.js';
import type {
  BackgroundEnd,
  BackgroundFailure,
  ShutdownEnd,
  ShutdownStart,
  SourceFailure,
} from './event-map.js';
import { lateCallStack, leakedScopeText, leakFoundText } from './leak-text.js';
import type { StrayFailure } from '../errors/stray-failure.interface.js';
import { ScopedWorkerEvents } from './scoped-worker-events.js';

/**
 * Uses Nest's logger to log events that need attention. Logs each failure of a tick, a background worker or a source once. Also
 * logs dead letters, the first of several skipped ticks, memory thresholds, leaks, and the work that the shutdown waits for.
 */
export class EventLog {
  readonly #logger = new Logger('ScopedWorker');
  /**
   * The time of the last skip, in epoch milliseconds, by schedule. Ticks that were due by then belong to the same series, whether
   * they ran late or replaced skipped ones.
   */
  readonly #lastSkips = new Map<string, number>();
  /** The schedules whose refused statement was reported; undefined represents all standalone scopes. */
  readonly #refused = new Set<string | undefined>();
  /** The names of the work that the shutdown stopped waiting for. */
  #abandoned: readonly string[] = [];
  /** The ticks that the shutdown cancelled; undefined unless the shutdown waits for work. */
  #cancelled: string[] | undefined;

  constructor(events: ScopedWorkerEvents) {
    events.on('tick:finished', (report) => this.finished(report));
    events.on('tick:skipped', (report) => this.skipped(report));
    events.on('tick:overrun', (overrun) => this.overran(overrun));
    events.on('schedule:changed', ({ schedule, change }) => {
      if (change !== 'removed') return;
      this.#lastSkips.delete(schedule);
      this.#refused.delete(schedule);
    });
    events.on('finding:reported', ({ number, severity, message }) => {
      const line = `[${number}] ${message}`;
      if (severity === 'info') this.#logger.log(line);
      else this.#logger.warn(line);
    });
    events.on('failure:stray', (failure) => this.stray(failure));
    events.on('background:failed', (failure) => this.backgroundFailed(failure));
    events.on('background:ended', (end) => this.backgroundEnded(end));
    events.on('source:failed', (failure) => this.sourceFailed(failure));
    events.on('message:dead', (letter) => this.messageDead(letter));
    events.on('leak:found', (leak) => this.#logger.warn(leakFoundText(leak)));
    events.on('leak:scope', (leaked) => this.#logger.warn(leakedScopeText(leaked)));
    events.on('leak:call', (call) => this.#logger.error(call.error.message, lateCallStack(call)));
    events.on('memory:warning', (crossing) => this.#logger.warn(memoryLine(crossing)));
    events.on('memory:recovered', (crossing) =>
      this.#logger.log(`Memory: ${recoveredText(crossing)}.`),
    );
    events.on('memory:stopping', (crossing) => this.#logger.error(memoryLine(crossing)));
    events.on('shutdown:started', (start) => this.shutdownStarted(start));
    events.on('shutdown:finished', (end) => this.shutdownEnded(end));
    events.on('shutdown:finished', (end) => this.drained(end));
    events.on('shutdown:closed', (end) => this.shutdownEnded(end));
  }

  private finished(report: TickReport): void {
    this.endSeries(report);
    const { outcome, schedule, tickId, error, phase, disposeErrors, history } = report;
    if (report.reason === 'shutdown')
      this.#cancelled?.push(tickLabel(schedule, tickId, report.messageId));
    if (report.items !== undefined) return; // each item that failed has its own log line
    if (outcome === 'succeeded' && history.length === 1 && disposeErrors.length === 0) return;
    const others = [
      ...history.slice(0, -1).flatMap((attempt) => attempt.disposeErrors),
      ...disposeErrors.filter((other) => !isPartOf(other, error)),
    ];
    // Cancelled between two attempts: without other errors, no other line reports the failure of the last attempt.
    const last = history.at(-1);
    const isCutOff = outcome === 'cancelled' && last !== undefined && last.outcome !== 'cancelled';
    if (isCutOff && others.length === 0) {
      const { text, details } = loggedError(error);
      this.#logger.warn(
        `${schedule} cancelled (${tickId}, ${report.reason}) after a failed attempt: ${text}${below(details)}`,
      );
    }
    if (others.length === 0 && (outcome === 'succeeded' || outcome === 'cancelled')) return;
    if (outcome === 'succeeded')
      return logErrors(this.#logger, `${schedule} succeeded (${tickId}).`, ALSO, others);
    const partly = report.isPartlyCommitted === true ? PARTLY_COMMITTED : '';
    const place = `${placeOf(report)}, phase ${phase}${partly}`;
    const isAbandoned = this.#abandoned.includes(tickLabel(schedule, tickId, report.messageId));
    const when = isAbandoned ? AFTER_SHUTDOWN : '';
    logError(this.#logger, `${schedule} ${outcome} (${place})${when}`, error, ALSO, others);
  }

  private skipped(report: TickReport): void {
    if (report.reason === 'paused' || report.reason === 'stopping') return;
    const cause =
      report.trigger === 'manual' ? 'run by hand' : `due ${report.scheduledAt.toISOString()}`;
    const message = `${report.schedule} skipped (${report.tickId}, ${cause}): ${report.reason}`;
    if (report.reason === 'no-items' || report.reason === 'already-done') {
      // The schedule ran, but it had nothing to do.
      this.endSeries(report);
      this.#logger.debug(message);
      return;
    }
    const isFirst = !this.#lastSkips.has(report.schedule);
    this.#lastSkips.set(report.schedule, report.endedAt.getTime());
    if (isFirst) this.#logger.warn(message);
    else this.#logger.debug(message);
  }

  private overran({ schedule, tickId, messageId, timeoutMs }: TickOverrun): void {
    this.#logger.warn(
      `${tickLabel(schedule, tickId, messageId)} is still running 5 s after its timeoutMs of ${timeoutMs} ms. Its scope stays open, and it is not retried, until its work has settled. Pass tick.signal to everything that this work waits for.`,
    );
  }

  /** Ends a series of skipped ticks, unless the reported tick was due by the time of the last skip. */
  private endSeries({ schedule, scheduledAt }: TickReport): void {
    const lastSkip = this.#lastSkips.get(schedule);
    if (lastSkip !== undefined && scheduledAt.getTime() > lastSkip)
      this.#lastSkips.delete(schedule);
  }

  private stray(failure: StrayFailure): void {
    const { where, schedule, tickId, worker, error } = failure;
    if (where === 'refused-statement') return this.statementRefused(failure);
    const tick = schedule === undefined ? worker : `${schedule} (${tickId ?? 'no tick'})`;
    const of = tick === undefined ? '' : ` of ${tick}`;
    logError(this.#logger, `${where}${of} failed`, error);
  }

  /** Logs the error once for each schedule, because the cause is in the schedule's code. */
  private statementRefused({ schedule, tickId, error }: StrayFailure): void {
    const who = schedule === undefined ? 'Code in a standalone scope' : `${schedule} (${tickId})`;
    const message = `${who} either did not await a statement that the library refused to send, or caught the error of that statement`;
    if (this.#refused.has(schedule)) {
      this.#logger.debug(`${message}: ${loggedError(error).text}`);
      return;
    }
    this.#refused.add(schedule);
    logError(this.#logger, message, error);
  }

  private backgroundFailed({ worker, error, restartInMs }: BackgroundFailure): void {
    const next = restartInMs === undefined ? 'not restarted' : `restart in ${restartInMs} ms`;
    logError(this.#logger, `${worker}.execute failed (${next})`, error);
  }

  private backgroundEnded({ worker }: BackgroundEnd): void {
    this.#logger.log(`${worker}.execute has returned: the background worker is done.`);
  }

  private sourceFailed({ schedule, error, reopenInMs }: SourceFailure): void {
    const next = `reading again in ${reopenInMs} ms`;
    if (error === undefined) this.#logger.warn(`The source of ${schedule} has ended (${next})`);
    else logError(this.#logger, `The source of ${schedule} failed (${next})`, error);
  }

  private messageDead({ schedule, id, deliveries, error }: DeadLetter): void {
    const times = deliveries === 1 ? '1 delivery' : `${deliveries} deliveries`;
    this.#logger.warn(
      `${schedule}: message ${id} was put aside after ${times}. Last error: ${loggedError(error).text}`,
    );
  }

  private shutdownStarted({ waitingFor }: ShutdownStart): void {
    if (waitingFor.length === 0) return;
    this.#cancelled = [];
    this.#logger.log(`Shutting down: waiting for ${waitingFor.join(', ')}`);
  }

  private drained({ waitedMs, abandoned }: ShutdownEnd): void {
    if (this.#cancelled === undefined || abandoned.length > 0) return;
    const cancelled =
      this.#cancelled.length === 0 ? '' : `; cancelled: ${this.#cancelled.join(', ')}`;
    this.#logger.log(
      `Shutting down: all work finished after ${Math.round(waitedMs)} ms${cancelled}`,
    );
  }

  private shutdownEnded({ waitedMs, abandoned, leftOpen }: ShutdownEnd): void {
    if (leftOpen.length > 0) {
      this.#logger.warn(
        `Shutting down: disposed scopes that were left open: ${leftOpen.join(', ')}`,
      );
    }
    if (abandoned.length === 0) return;
    this.#abandoned = [...this.#abandoned, ...abandoned];
    this.#logger.error(
      `Shutting down: stopped waiting after ${Math.round(waitedMs)} ms for ${abandoned.join(', ')}`,
    );
  }
}

const ALSO = 'Also failed';

const PARTLY_COMMITTED = ', after one transaction was already committed';

const AFTER_SHUTDOWN =
  ' after the shutdown stopped waiting for it, so its connections may be closed';

function memoryLine(crossing: MemoryCrossing): string {
  return `Memory: ${reachedText(crossing)}. ${growthText(crossing.schedules)}`;
}

/** Returns the id of a tick, with the id of its message and the number of attempts. */
function placeOf({ tickId, messageId, attempts }: TickReport): string {
  const message = messageId === undefined ? '' : `, message ${messageId}`;
  return `${tickId}${message}${attempts > 1 ? `, ${attempts} attempts` : ''}`;
}
