import { RunningTicks } from '../tick/running-ticks.js';
import { TickDispatcher } from '../tick/tick-dispatcher.js';
import type { TickReport } from '../tick/tick-report.js';
import type { ScheduleChange } from '../events/event-map.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { OpenScopes } from '../scope/open-scopes.js';
import { checkExclusive, checkRun } from './registry-arguments.js';
import { RunningEngine } from './running-engine.js';
import { ScheduleBook } from './schedule-book.js';
import type { ScheduleDefinition, ScheduleTiming, ScheduleInfo } from './schedule-info.js';
import { ScheduleMaker } from './schedule-maker.js';

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
export class ScopedWorkerRegistry {
  constructor(
    private readonly book: ScheduleBook,
    private readonly running: RunningTicks,
    private readonly dispatcher: TickDispatcher,
    private readonly scopes: OpenScopes,
    private readonly events: ScopedWorkerEvents,
    private readonly engine: RunningEngine,
    private readonly maker: ScheduleMaker,
  ) {}

  /** All schedules, disabled ones included, in the order in which they were found. */
  list(): ScheduleInfo[] {
    return this.book.all.map((schedule) => this.info(schedule));
  }

  /** Returns true if a schedule has this name. */
  has(name: string): boolean {
    return this.book.has(name);
  }

  /** @throws {UnknownScheduleError} when no schedule has this name. */
  get(name: string): ScheduleInfo {
    return this.info(this.book.get(name));
  }

  /**
   * Runs a schedule now, also when it is paused or disabled. The overlap rule of the schedule holds: the report may
   * be `skipped`. The tick sees the caller's AsyncLocalStorage context.
   *
   * @param options.payload The value of `tick.payload`. Default: the payload of the schedule.
   * @returns the report when the tick has ended. A failing tick does not reject.
   * @throws {UnknownScheduleError} when no schedule has this name.
   * @throws {InvalidOptionsError} if an option doesn't exist; nothing runs then.
   */
  async run(name: string, options: { payload?: unknown } = {}): Promise<TickReport> {
    const schedule = this.book.get(name);
    checkRun(options);
    return this.dispatcher.dispatch(
      { schedule, scheduledAt: new Date(), trigger: 'manual' },
      { payload: options.payload },
    );
  }

  /**
   * Fires the schedule no more until `resume()`. A tick that runs goes on; the grid is kept. Of a list of `forEach` the
   * items at work go on, and no further one begins: the rest of that list is not made up for.
   *
   * @throws {UnknownScheduleError} when no schedule has this name.
   */
  pause(name: string): void {
    this.pauseAfter(name);
  }

  /** @internal The list of `failed` goes on: one item's failure does not stop the others. */
  pauseAfter(name: string, failed?: Slot): void {
    const schedule = this.book.get(name);
    if (!this.dispatcher.pause(schedule)) return;
    this.engine.pause(schedule);
    this.running.pauseLists(name, failed);
    this.changed(name, 'paused');
  }

  /** @throws {UnknownScheduleError} when no schedule has this name. */
  resume(name: string): void {
    if (this.endPause(this.book.get(name))) this.changed(name, 'resumed');
  }

  /** @internal Acts like `start()` of a `CronJob`: resumes a schedule, and enables one that its options disable. */
  start(name: string): void {
    const schedule = this.book.get(name);
    // A worker that is provided as a ready-made value cannot be new on each tick.
    const canRun = schedule.target.worker === undefined || schedule.target.worker.metatype;
    if (!schedule.options.disabled || !canRun) return this.resume(name);
    const enabled = { ...schedule, options: { ...schedule.options, disabled: false } };
    this.book.put(enabled);
    this.endPause(enabled); // first, because `replace()` of an engine keeps a pause
    this.engine.replace(enabled);
    this.changed(name, 'resumed');
  }

  /**
   * Adds a schedule: due from now on, or from start-up on when that is not complete. It lives until `remove()` or the end of
   * the process; nothing is stored.
   *
   * @throws {InvalidScheduleError} with everything that is wrong with the definition; nothing is added then.
   * @throws {DuplicateScheduleError} when the name is taken.
   */
  add(definition: ScheduleDefinition): ScheduleInfo {
    const schedule = this.maker.fromDefinition(definition);
    this.book.put(schedule);
    this.engine.add(schedule);
    this.changed(schedule.name, 'added');
    return this.info(schedule);
  }

  /**
   * Takes a schedule away. A tick that runs goes on to its end; one that waits is skipped with the reason `removed`.
   *
   * @throws {UnknownScheduleError} when no schedule has this name.
   */
  remove(name: string): void {
    const schedule = this.book.get(name);
    this.book.delete(name);
    this.engine.remove(schedule);
    this.dispatcher.forget(schedule);
    this.changed(name, 'removed');
  }

  /**
   * Gives a schedule another timing, which counts afresh from now; a tick that runs goes on. A pause stays, and so do its
   * options: also the default of `overlap`, which is that of the kind it was found or added with.
   *
   * @throws {UnknownScheduleError} when no schedule has this name.
   * @throws {InvalidScheduleError} when the timing cannot work; the old one stays.
   */
  reschedule(name: string, timing: ScheduleTiming): ScheduleInfo {
    const schedule = this.maker.withTiming(this.book.get(name), timing);
    this.book.put(schedule);
    this.engine.replace(schedule);
    this.changed(name, 'rescheduled');
    return this.info(schedule);
  }

  /**
   * Aborts the signal of the ticks of a schedule that run now, and ends waits between their attempts. The schedule goes on.
   *
   * @returns how many ticks were told.
   * @throws {UnknownScheduleError} when no schedule has this name.
   */
  cancel(name: string): number {
    this.book.get(name);
    return this.running.abortSchedule(name, 'cancel');
  }

  /**
   * Runs `work` under the lock that the ticks of an `overlapKey` take. It begins when no tick with this key runs, and no such
   * tick begins while it runs. Use it, for example, in an HTTP handler that changes the same data as a job.
   *
   * It waits its turn, also behind other calls with the key. A tick that is due meanwhile follows its own `overlap` rule.
   * Inside a tick with this key, it doesn't wait for ticks to end. If several such ticks run at once, their calls run one after
   * the other, and so do calls that one tick makes at once. Inside `work`, a further call doesn't wait for that work. The lock covers
   * this process only. It works before start-up is complete and during the shutdown, which does not wait for it.
   *
   * @param options.signal Ends the wait, such as `AbortSignal.timeout(2_000)`; not the work. Default: no limit.
   * @returns the result of `work`.
   * @throws the error of `work`; or the reason of `signal`, if it is aborted before `work` begins.
   * @throws {InvalidOptionsError} if an argument is invalid; nothing runs then.
   */
  async exclusive<T>(
    key: string,
    work: () => Promise<T> | T,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    checkExclusive(key, work, options);
    return this.dispatcher.exclusive(key, work, options.signal);
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

  /** @returns false if the schedule was not paused. */
  private endPause(schedule: Schedule): boolean {
    if (!this.dispatcher.resume(schedule)) return false;
    this.engine.resume(schedule);
    this.running.resumeLists(schedule.name);
    return true;
  }

  private changed(schedule: string, change: ScheduleChange['change']): void {
    this.events.emit('schedule:changed', { schedule, change });
  }

  private info(schedule: Schedule): ScheduleInfo {
    const { name, handler, kind, expression, everyMs, options } = schedule;
    const { timeZone, utcOffset } = options;
    const state = isDisabled(schedule)
      ? 'disabled'
      : this.dispatcher.isPaused(schedule)
        ? 'paused'
        : 'active';
    return {
      name,
      handler,
      kind,
      expression,
      everyMs,
      timeZone,
      utcOffset,
      state,
      nextRun: state === 'active' ? this.engine.nextRun(schedule) : undefined,
      lastReport: this.book.lastReport(name),
      running: this.running.of(name).length,
      runningSince: this.running.since(name),
    };
  }
}
