import { Injectable } from '@nestjs/common';
import { RunningTicks } from '../execution/running-ticks.js';
import { TickDispatcher } from '../execution/tick-dispatcher.js';
import type { TickReport } from '../execution/tick-report.js';
import { ScopedWorkerEvents } from '../observability/scoped-worker-events.js';
import type { Schedule } from '../schedule/schedule.js';
import { OpenScopes } from '../scope/open-scopes.js';
import { RunningEngine } from './running-engine.js';
import { ScheduleBook } from './schedule-book.js';
import type { ScheduleInfo } from './schedule-info.js';

/** Counts of the whole application. */
export interface ScopedWorkerStats {
  /** Scopes that are open now, of ticks and by hand. */
  readonly openScopes: number;
  readonly openedScopes: number;
  readonly closedScopes: number;
  /** Ticks that were fired and are not reported yet. */
  readonly runningTicks: number;
  readonly schedules: number;
}

/**
 * The schedules at run time, by name.
 *
 * @publicApi
 */
@Injectable()
export class ScopedWorkerRegistry {
  constructor(
    private readonly book: ScheduleBook,
    private readonly running: RunningTicks,
    private readonly dispatcher: TickDispatcher,
    private readonly scopes: OpenScopes,
    private readonly events: ScopedWorkerEvents,
    private readonly engine: RunningEngine,
  ) {}

  /** All schedules, disabled ones included, in the order in which they were found. */
  list(): ScheduleInfo[] {
    return this.book.all.map((schedule) => this.info(schedule));
  }

  /** @throws {UnknownScheduleError} when no schedule has this name. */
  get(name: string): ScheduleInfo {
    return this.info(this.book.get(name));
  }

  /**
   * Runs a schedule now, also when it is paused or disabled. The overlap rule of the schedule holds: the report may
   * be `skipped`. The tick sees the caller's AsyncLocalStorage context.
   *
   * @returns the report when the tick has ended. A failing tick does not reject.
   * @throws {UnknownScheduleError} when no schedule has this name.
   */
  async run(name: string, options: { payload?: unknown } = {}): Promise<TickReport> {
    const schedule = this.book.get(name);
    return this.dispatcher.dispatch(
      { schedule, scheduledAt: new Date(), trigger: 'manual' },
      options.payload,
    );
  }

  /**
   * Fires the schedule no more until `resume()`. A tick that runs goes on; the grid is kept.
   *
   * @throws {UnknownScheduleError} when no schedule has this name.
   */
  pause(name: string): void {
    const schedule = this.book.get(name);
    if (!this.dispatcher.pause(schedule)) return;
    this.engine.engine.pause(name);
    this.events.emit('schedule:changed', { schedule: name, change: 'paused' });
  }

  /** @throws {UnknownScheduleError} when no schedule has this name. */
  resume(name: string): void {
    const schedule = this.book.get(name);
    if (!this.dispatcher.resume(schedule)) return;
    this.engine.engine.resume(name);
    this.events.emit('schedule:changed', { schedule: name, change: 'resumed' });
  }

  /**
   * Aborts the signal of the ticks of a schedule that run now. The schedule goes on.
   *
   * @returns how many ticks were told.
   * @throws {UnknownScheduleError} when no schedule has this name.
   */
  cancel(name: string): number {
    this.book.get(name);
    const ticks = this.running.of(name);
    for (const tick of ticks) tick.abort('cancel');
    return ticks.length;
  }

  stats(): ScopedWorkerStats {
    return {
      openScopes: this.scopes.openedCount - this.scopes.closedCount,
      openedScopes: this.scopes.openedCount,
      closedScopes: this.scopes.closedCount,
      runningTicks: this.running.count,
      schedules: this.book.all.length,
    };
  }

  private info(schedule: Schedule): ScheduleInfo {
    const { name, handler, kind, expression, everyMs, options } = schedule;
    const { timeZone, utcOffset, disabled } = options;
    const state = disabled ? 'disabled' : this.dispatcher.isPaused(schedule) ? 'paused' : 'active';
    return {
      name,
      handler,
      kind,
      expression,
      everyMs,
      timeZone,
      utcOffset,
      state,
      nextRun: state === 'active' ? this.engine.engine.nextRun(name) : undefined,
      lastReport: this.book.lastReport(name),
      running: this.running.of(name).length,
    };
  }
}
