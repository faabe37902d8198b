import { Injectable, Logger } from '@nestjs/common';
import { stackOf, textOf } from '../errors/error-text.js';
import type { TickReport } from '../execution/tick-report.js';
import type { ShutdownEnd, ShutdownStart, StrayFailure } from './event-map.js';
import { ScopedWorkerEvents } from './scoped-worker-events.js';

/**
 * Writes what needs a person to Nest's logger: each failed tick once, the first of a row of skipped
 * ticks, what the shutdown waits for and what it gave up.
 */
@Injectable()
export class TickLog {
  readonly #logger = new Logger('ScopedWorker');
  readonly #skipping = new Set<string>();

  constructor(events: ScopedWorkerEvents) {
    events.on('tick:finished', (report) => this.finished(report));
    events.on('tick:skipped', (report) => this.skipped(report));
    events.on('failure:stray', (failure) => this.stray(failure));
    events.on('shutdown:started', (start) => this.shutdownStarted(start));
    events.on('shutdown:finished', (end) => this.shutdownFinished(end));
  }

  private finished(report: TickReport): void {
    this.#skipping.delete(report.schedule);
    const { outcome, schedule, tickId, error, phase, disposeErrors } = report;
    const others = disposeErrors.filter((other) => other !== error && phase !== 'dispose');
    if (outcome === 'succeeded' || (outcome === 'cancelled' && others.length === 0)) return;
    const also =
      others.length === 0 ? '' : ` Disposal failed as well: ${others.map(textOf).join('; ')}`;
    this.#logger.error(
      `${schedule} ${outcome} (${tickId}, phase ${phase}): ${textOf(error)}${also}`,
      stackOf(error),
    );
  }

  private skipped(report: TickReport): void {
    if (report.reason === 'paused' || report.reason === 'stopping') return;
    const message = `${report.schedule} skipped (${report.tickId}, due ${report.scheduledAt.toISOString()}): ${report.reason}`;
    if (this.#skipping.has(report.schedule)) return this.#logger.debug(message);
    this.#skipping.add(report.schedule);
    this.#logger.warn(message);
  }

  private stray({ where, schedule, tickId, error }: StrayFailure): void {
    const of = schedule === undefined ? '' : ` of ${schedule} (${tickId ?? 'no tick'})`;
    this.#logger.error(`${where}${of} failed: ${textOf(error)}`, stackOf(error));
  }

  private shutdownStarted({ waitingFor }: ShutdownStart): void {
    if (waitingFor.length > 0)
      this.#logger.log(`Shutting down: waiting for ${waitingFor.join(', ')}`);
  }

  private shutdownFinished({ waitedMs, abandoned, leftOpen }: ShutdownEnd): void {
    if (leftOpen.length > 0) {
      this.#logger.warn(`Shutting down: disposed what nobody had closed: ${leftOpen.join(', ')}`);
    }
    if (abandoned.length === 0) return;
    this.#logger.error(
      `Shutting down: gave up after ${Math.round(waitedMs)} ms on ${abandoned.join(', ')}`,
    );
  }
}
