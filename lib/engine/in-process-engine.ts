import { booleanProblem, named, optionsProblems } from '../util/option-checks.js';
import { InvalidOptionsError, refuseInvalid } from '../errors/errors.js';
import { isDisabled, type EngineSchedule } from '../schedule/schedule.js';
import type { Engine, EngineHost } from './engine.js';
import { ScheduleClock } from './schedule-clock.js';

/** @publicApi */
export interface InProcessEngineOptions {
  /** True if waiting for the next tick doesn't keep the process alive. @defaultValue false */
  readonly unref?: boolean;
}

/**
 * Returns the default engine, which uses timers in this process. Each replica of the application runs every schedule. Slots that
 * passed while the process was down are lost: a restart doesn't catch up on them.
 *
 * @throws {InvalidOptionsError} if an option is invalid or unknown.
 * @publicApi
 */
export function inProcessEngine(options: InProcessEngineOptions = {}): Engine {
  refuseInvalid('inProcessEngine()', optionsProblems(options, ['unref']));
  const { unref = false } = options;
  refuseInvalid('inProcessEngine()', named({ unref: booleanProblem(unref) }));
  return new InProcessEngine(unref);
}

/** Keeps a clock for each schedule; the clock decides when a slot is due. */
class InProcessEngine implements Engine {
  readonly name = 'in-process';
  readonly #clocks = new Map<string, ScheduleClock>();
  /** Set while the engine runs. */
  #host: EngineHost | undefined;

  constructor(private readonly unref: boolean) {}

  start(schedules: readonly EngineSchedule[], host: EngineHost): void {
    if (this.#host !== undefined) {
      throw new InvalidOptionsError([
        'ScopedWorkerModule: engine is in use by another application. Call inProcessEngine() once for each application.',
      ]);
    }
    this.#host = host;
    for (const schedule of schedules) this.add(schedule);
  }

  add(schedule: EngineSchedule): void {
    this.clockOf(schedule)?.start(Date.now());
  }

  replace(schedule: EngineSchedule): void {
    const before = this.#clocks.get(schedule.name);
    this.#clocks.delete(schedule.name);
    const clock = this.clockOf(schedule);
    if (clock !== undefined) {
      clock.paused = before?.paused ?? false;
      clock.startAgain(Date.now());
    }
    before?.retire(); // last, because a slot that `retire()` fires may change or remove the schedule again
  }

  remove(schedule: string): void {
    const clock = this.#clocks.get(schedule);
    this.#clocks.delete(schedule);
    clock?.retire();
  }

  stop(): void {
    this.#host = undefined;
    for (const clock of this.#clocks.values()) clock.retire();
    this.#clocks.clear();
  }

  pause(schedule: string): void {
    const clock = this.#clocks.get(schedule);
    if (clock !== undefined) clock.paused = true;
  }

  resume(schedule: string): void {
    const clock = this.#clocks.get(schedule);
    if (clock !== undefined) clock.paused = false;
  }

  nextRun(schedule: string): Date | undefined {
    const next = this.#clocks.get(schedule)?.nextRun;
    return next === undefined ? undefined : new Date(next);
  }

  private clockOf(schedule: EngineSchedule): ScheduleClock | undefined {
    if (this.#host === undefined || isDisabled(schedule)) return undefined;
    const clock = new ScheduleClock(schedule, this.#host, this.unref);
    this.#clocks.set(schedule.name, clock);
    return clock;
  }
}
