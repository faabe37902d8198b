import { InvalidOptionsError } from '../../errors/index.js';
import type { Schedule } from '../../schedule/schedule.js';
import type { Engine, EngineHost } from '../engine.js';
import { ScheduleClock } from './schedule-clock.js';

/** @publicApi */
export interface InProcessEngineOptions {
  /**
   * With true, waiting for the next tick does not keep the process alive. @defaultValue false
   */
  readonly unref?: boolean;
}

/**
 * The default engine: timers of this process. Each replica of the application runs every schedule.
 * After a restart nothing is made up for: slots that passed while the process was down are gone.
 *
 * @publicApi
 */
export function inProcessEngine(options: InProcessEngineOptions = {}): Engine {
  return new InProcessEngine(options.unref ?? false);
}

class InProcessEngine implements Engine {
  readonly name = 'in-process';
  readonly #clocks = new Map<string, ScheduleClock>();
  #started = false;

  constructor(private readonly unref: boolean) {}

  start(schedules: readonly Schedule[], host: EngineHost): void {
    if (this.#started) {
      throw new InvalidOptionsError([
        'ScopedWorkerModule: engine is in use by another application; call inProcessEngine() once for each.',
      ]);
    }
    this.#started = true;
    const now = Date.now();
    for (const schedule of schedules) {
      if (schedule.options.disabled) continue;
      const clock = new ScheduleClock(schedule, host, this.unref);
      this.#clocks.set(schedule.name, clock);
      clock.start(now);
    }
  }

  stop(): void {
    for (const clock of this.#clocks.values()) clock.stop();
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
}
