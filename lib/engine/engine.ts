import type { EngineSchedule } from '../schedule/schedule.js';
import type { EngineSlot } from '../schedule/slot.js';

/** The methods that an engine calls on the application. */
export interface EngineHost {
  /** Runs a slot. The promise resolves when the tick has finished or the slot was skipped, and never rejects. */
  fire(slot: EngineSlot): Promise<void>;
  /** Reports slots that passed while the engine couldn't fire them. */
  missed(slots: readonly EngineSlot[]): void;
}

/**
 * Decides when a slot is due, and fires it. An engine belongs to one application. It doesn't know what a slot does or whether
 * the slot may overlap another one.
 *
 * @publicApi
 */
export interface Engine {
  readonly name: string;
  /** Starts the engine. The library calls this method once, when start-up is complete. The method must not wait for a tick. */
  start(schedules: readonly EngineSchedule[], host: EngineHost): void | Promise<void>;
  /**
   * Stops the engine permanently: it fires no further slots, and leaves no timer or handle behind. The shutdown waits for the
   * returned promise until `shutdownTimeoutMs` has elapsed. The shutdown drains the ticks at the same time, so `stop()` can wait
   * for the promises that `fire()` returned.
   */
  stop(): void | Promise<void>;
  /** Adds a schedule while the engine runs. */
  add(schedule: EngineSchedule): void | Promise<void>;
  /** Replaces the timing of the schedule that has the same name. The new timing starts now. */
  replace(schedule: EngineSchedule): void | Promise<void>;
  /** Stops firing the schedule. */
  remove(schedule: string): void | Promise<void>;
  /**
   * Pauses the schedule, which keeps its grid. If the engine still fires a slot, the library skips it and emits `tick:skipped`.
   */
  pause(schedule: string): void;
  resume(schedule: string): void;
  /** Returns the next due time of the schedule; undefined if the schedule is paused, disabled or never due again. */
  nextRun(schedule: string): Date | undefined;
}
