import { RunningTicks } from '../tick/running-ticks.js';
import { TickDispatcher } from '../tick/tick-dispatcher.js';
import type { TickReport } from '../tick/tick-report.js';
import type { ScheduleChange } from '../events/event-map.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { OpenScopes } from '../scope/open-scopes.js';
import { RunningEngine } from './running-engine.js';
import { ScheduleBook } from './schedule-book.js';
import type { ScheduleDefinition, ScheduleTiming, ScheduleInfo } from './schedule-info.js';
import { ScheduleMaker } from './schedule-maker.js';
import {
  functionProblem,
  named,
  nameProblem,
  optionsProblems,
  signalProblem,
} from '../util/option-checks.js';
import { refuseInvalid } from '../errors/errors.js';

/** Counts for the whole application. */
export interface ScopedWorkerStats {
  /** The number of open scopes: those of ticks, and standalone ones. */
  readonly openScopes: number;
  readonly openedScopes: number;
  readonly closedScopes: number;
  /** The number of ticks that have fired but have no report yet. */
  readonly runningTicks: number;
  readonly schedules: number;
}

/**
 * Inspects and changes the schedules at run time, by name.
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

  /** Returns all schedules, including disabled ones, in the order in which they were found. */
  list(): ScheduleInfo[] {
    return this.book.all.map((schedule) => this.info(schedule));
  }

  /** Returns true if a schedule has this name. */
  has(name: string): boolean {
    return this.book.has(name);
  }

  /** Returns the current state of a schedule. @throws {UnknownScheduleError} if no schedule has this name. */
  get(name: string): ScheduleInfo {
    return this.info(this.book.get(name));
  }

  /**
   * Runs a schedule now, even if it is paused or disabled. The overlap rule of the schedule applies, so the outcome may be
   * `skipped`. The tick sees the caller's AsyncLocalStorage context.
   *
   * @param options.payload The value of `tick.payload`. Default: the payload of the schedule.
   * @returns the report, once the tick has finished. If the tick fails, the promise doesn't reject.
   * @throws {UnknownScheduleError} if no schedule has this name.
   * @throws {InvalidOptionsError} if an option doesn't exist; nothing runs.
   */
  async run(name: string, options: { payload?: unknown } = {}): Promise<TickReport> {
    const schedule = this.book.get(name);
    refuseInvalid('registry.run()', optionsProblems(options, ['payload']));
    return this.dispatcher.dispatch(
      { schedule, scheduledAt: new Date(), trigger: 'manual' },
      { payload: options.payload },
    );
  }

  /**
   * Stops firing the schedule until you call `resume()`. A running tick continues, and the grid of due times doesn't move. With
   * `forEach`, the running items continue and no others start; the rest of the list isn't caught up.
   *
   * @throws {UnknownScheduleError} if no schedule has this name.
   */
  pause(name: string): void {
    this.pauseAfter(name);
  }

  /** @internal Pauses a schedule, but the list of the slot `failed` continues: if one item fails, the others still run. */
  pauseAfter(name: string, failed?: Slot): void {
    const schedule = this.book.get(name);
    const isNew = this.dispatcher.pause(schedule);
    // A list can run while its schedule is paused: the list of the slot `failed` continues, and a manual run may begin.
    if (isNew || failed === undefined) this.running.pauseLists(name, failed);
    if (!isNew) return;
    this.engine.pause(schedule);
    this.changed(name, 'paused');
    this.dispatcher.skipPaused(schedule); // last, because a listener may resume the schedule
  }

  /** Resumes a paused schedule. @throws {UnknownScheduleError} if no schedule has this name. */
  resume(name: string): void {
    if (this.endPause(this.book.get(name))) this.changed(name, 'resumed');
  }

  /** @internal Acts like a `CronJob`'s `start()`: resumes a schedule, and enables one that its options disable. */
  start(name: string): void {
    const schedule = this.book.get(name);
    // A worker provided with `useValue` can't be new for each tick.
    const canRun = schedule.target.worker === undefined || schedule.target.worker.metatype;
    if (!schedule.options.disabled || !canRun) return this.resume(name);
    const enabled = { ...schedule, options: { ...schedule.options, disabled: false } };
    this.book.put(enabled);
    this.endPause(enabled); // before `engine.replace()`, which keeps a pause
    this.engine.replace(enabled);
    this.changed(name, 'resumed');
  }

  /**
   * Adds a schedule, which can be due from now on, but not before start-up is complete. The schedule isn't persisted: it exists
   * until you call `remove()` or the process ends.
   *
   * @throws {InvalidScheduleError} listing every problem with the definition; nothing is added.
   * @throws {DuplicateScheduleError} if the name is taken.
   */
  add(definition: ScheduleDefinition): ScheduleInfo {
    const schedule = this.maker.fromDefinition(definition);
    this.book.put(schedule);
    this.engine.add(schedule);
    this.changed(schedule.name, 'added');
    return this.info(schedule);
  }

  /**
   * Removes a schedule. A running tick finishes; a waiting one is skipped with the reason `removed`.
   *
   * @throws {UnknownScheduleError} if no schedule has this name.
   */
  remove(name: string): void {
    const schedule = this.book.get(name);
    this.book.delete(name);
    this.engine.remove(schedule);
    const skipWaiting = this.dispatcher.forget(schedule);
    this.changed(name, 'removed');
    skipWaiting?.(); // last, because a listener may add a schedule with this name
  }

  /**
   * Changes the timing of a schedule. The new timing starts now; a running tick continues. The schedule keeps its options, and
   * stays paused if it was. It also keeps its default for `overlap`, even if its kind changes.
   *
   * @throws {UnknownScheduleError} if no schedule has this name.
   * @throws {InvalidScheduleError} if the timing is invalid; the old one remains in effect.
   */
  reschedule(name: string, timing: ScheduleTiming): ScheduleInfo {
    const schedule = this.maker.withTiming(this.book.get(name), timing);
    this.book.put(schedule);
    this.engine.replace(schedule);
    this.changed(name, 'rescheduled');
    return this.info(schedule);
  }

  /**
   * Aborts the signals of a schedule's running ticks, and ends the waits between their attempts. The schedule continues.
   *
   * @returns the number of ticks that this call has aborted.
   * @throws {UnknownScheduleError} if no schedule has this name.
   */
  cancel(name: string): number {
    this.book.get(name);
    return this.running.abortSchedule(name, 'cancel');
  }

  /**
   * Runs `work` under the lock that ticks with this `overlapKey` take. The work starts when no tick with this key is running, and
   * no such tick starts while `work` runs. For example, call this method in an HTTP handler that changes the same data as a job.
   *
   * The call also waits for earlier calls with the same key. A tick that comes due while the lock is taken follows its
   * own `overlap` rule. Inside a tick with this key, a call doesn't wait for ticks to finish. If several such ticks run
   * concurrently, their calls run one after the other, as do simultaneous calls from one tick. Inside `work`, a nested call
   * doesn't wait for that work. The lock covers this process only. You can call `exclusive()` before start-up is complete and
   * during the shutdown, which doesn't wait for `work`.
   *
   * @param options.signal Ends only the wait, not `work` itself; for example `AbortSignal.timeout(2_000)`. Default: no limit.
   * @returns the result of `work`.
   * @throws the error that `work` threw; or `signal.reason`, if `signal` is aborted before `work` starts.
   * @throws {InvalidOptionsError} if an argument is invalid; nothing runs.
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

  /** Ends the pause of a schedule; returns false if the schedule wasn't paused. */
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

/** Checks the arguments of `registry.exclusive()`. @throws {InvalidOptionsError} if one of them is invalid. */
function checkExclusive(key: unknown, work: unknown, options: unknown): void {
  const { signal } = (options ?? {}) as { signal?: unknown };
  refuseInvalid('registry.exclusive()', [
    ...named({ key: nameProblem(key, false), work: functionProblem(work) }),
    ...optionsProblems(options, ['signal']),
    ...named({ signal: signal === undefined ? undefined : signalProblem(signal) }),
  ]);
}
