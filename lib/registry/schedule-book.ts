import { UnknownScheduleError } from '../errors/errors.js';
import type { LastReports } from '../tick/tick-ports.js';
import type { TickReport } from '../tick/tick-report.js';
import type { NestWrapper } from '../nest/index.js';
import type { HandlerDefaults } from '../schedule/handler-options.js';
import type { EngineSchedule, Schedule } from '../schedule/schedule.js';

/** A worker class with the provider that builds it. */
export interface WorkerPlace {
  readonly workerClass: Function;
  readonly wrapper: NestWrapper;
  /** Of `@ScopedWorker()`. */
  readonly options: HandlerDefaults;
}

/** The schedules of the application by name, with the last report of each. */
export class ScheduleBook implements LastReports {
  readonly #schedules = new Map<string, Schedule>();
  /** The same object for a schedule and what it was rescheduled to. */
  readonly #lives = new WeakMap<EngineSchedule, object>();
  readonly #lastReports = new Map<string, TickReport>();

  /** The workers of the application, for schedules that are added later. */
  workers: readonly WorkerPlace[] = [];
  isFilled = false;

  fill(schedules: readonly Schedule[], workers: readonly WorkerPlace[]): void {
    this.workers = workers;
    this.isFilled = true;
    for (const schedule of schedules) this.put(schedule);
  }

  has(name: string): boolean {
    return this.#schedules.has(name);
  }

  /** Adds a schedule, or replaces the one of its name in its place. */
  put(schedule: Schedule): void {
    const before = this.#schedules.get(schedule.name);
    this.#lives.set(schedule, (before && this.#lives.get(before)) ?? {});
    this.#schedules.set(schedule.name, schedule);
  }

  /** Whether a schedule is the one of its name, or was before that was rescheduled; not one that was removed meanwhile. */
  holds(schedule: EngineSchedule): boolean {
    const current = this.#schedules.get(schedule.name);
    const life = this.#lives.get(schedule); // none for a copy, as an engine may make
    return current !== undefined && (life === undefined || life === this.#lives.get(current));
  }

  /** Returns the schedule that an engine hands back: the object itself, or for a copy that the engine made, the one of its name. */
  known(schedule: EngineSchedule): Schedule {
    if (this.#lives.has(schedule)) return schedule as Schedule;
    return this.#schedules.get(schedule.name) ?? (schedule as Schedule); // a copy of one that was removed
  }

  delete(name: string): void {
    this.#schedules.delete(name);
    this.#lastReports.delete(name);
  }

  get all(): readonly Schedule[] {
    return [...this.#schedules.values()];
  }

  /** @throws {UnknownScheduleError} */
  get(name: string): Schedule {
    const schedule = this.#schedules.get(name);
    if (schedule === undefined) throw new UnknownScheduleError(name, [...this.#schedules.keys()]);
    return schedule;
  }

  /** Keeps the report without what the handler returned, and without those of the items: that may be large, and is the caller's. */
  remember(report: TickReport, schedule: Schedule): void {
    if (!this.holds(schedule)) return; // removed while it ran
    const { value: _value, items: _items, ...kept } = report;
    this.#lastReports.set(report.schedule, kept);
  }

  lastReport(name: string): TickReport | undefined {
    return this.#lastReports.get(name);
  }
}
