import { Injectable } from '@nestjs/common';
import { UnknownScheduleError } from '../errors/index.js';
import type { TickReport } from '../execution/tick-report.js';
import type { Schedule } from '../schedule/schedule.js';

/** The schedules of the application by name, with the last report of each. */
@Injectable()
export class ScheduleBook {
  readonly #schedules = new Map<string, Schedule>();
  readonly #lastReports = new Map<string, TickReport>();

  fill(schedules: readonly Schedule[]): void {
    for (const schedule of schedules) this.#schedules.set(schedule.name, schedule);
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

  /** Keeps the report without what the handler returned: that may be large, and is the caller's. */
  remember(report: TickReport): void {
    const { value: _value, ...kept } = report;
    this.#lastReports.set(report.schedule, kept);
  }

  lastReport(name: string): TickReport | undefined {
    return this.#lastReports.get(name);
  }
}
