import { UnknownScheduleError } from '../errors/errors.js';
import type { LastReports } from '../tick/tick-ports.js';
import type { TickReport } from '../tick/tick-report.js';
import type { NestWrapper } from '../nest/index.js';
import type { HandlerDefaults } from '../schedule/handler-options.js';
import type { EngineSchedule, Schedule } from '../schedule/schedule.js';

function withoutResults({ value: _value, items: _items, ...kept }: TickReport): TickReport {
  return kept;
}

/** A worker class with the provider that builds its instances. */
export interface WorkerPlace {
  readonly workerClass: Function;
  readonly wrapper: NestWrapper;
  /** The options of `@ScopedWorker()`. */
  readonly options: HandlerDefaults;
}

/** Keeps the schedules of the application by name, with the last report of each. */
export class ScheduleBook implements LastReports {
  readonly #schedules = new Map<string, Schedule>();
  /** Maps a schedule and its replacements, such as those from `reschedule()`, to the first of them. */
  readonly #firsts = new WeakMap<EngineSchedule, EngineSchedule>();
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

  find(name: string): Schedule | undefined {
    return this.#schedules.get(name);
  }

  /** Adds a schedule, or replaces the one with the same name. */
  put(schedule: Schedule): void {
    const before = this.#schedules.get(schedule.name);
    this.#firsts.set(schedule, (before && this.#firsts.get(before)) ?? schedule);
    this.#schedules.set(schedule.name, schedule);
  }

  /** Returns true if the book has a schedule or its replacement; false if the schedule has been removed. */
  holds(schedule: EngineSchedule): boolean {
    const current = this.#schedules.get(schedule.name);
    const first = this.#firsts.get(schedule); // undefined for a copy that an engine made
    return current !== undefined && (first === undefined || first === this.#firsts.get(current));
  }

  /** Returns the schedule that an engine passes back: the object itself or, for a copy, the schedule with the same name. */
  known(schedule: EngineSchedule): Schedule {
    if (this.#firsts.has(schedule)) return schedule as Schedule;
    return this.#schedules.get(schedule.name) ?? (schedule as Schedule); // a copy of a removed schedule
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

  /** Keeps a report, but not its value or the reports of its items, which may be large and belong to the caller. */
  remember(report: TickReport, schedule: Schedule): void {
    if (!this.holds(schedule)) return; // the schedule was removed during the tick
    const isSmall = report.value === undefined && report.items === undefined;
    this.#lastReports.set(report.schedule, isSmall ? { ...report } : withoutResults(report));
  }

  lastReport(name: string): TickReport | undefined {
    return this.#lastReports.get(name);
  }
}
