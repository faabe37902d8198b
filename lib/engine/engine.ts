import type { EngineSchedule } from '../schedule/schedule.js';
import type { EngineSlot } from '../schedule/slot.js';

/** What an engine asks of the application. */
export interface EngineHost {
  /** Runs a slot. Settles when its tick has ended or was skipped, and never rejects. */
  fire(slot: EngineSlot): Promise<void>;
  /** Says that slots passed while nobody could run them. */
  missed(slots: readonly EngineSlot[]): void;
}

/**
 * The source of ticks. An engine belongs to one application. It decides when a slot is due and hands it over; what a
 * slot does, and whether it may overlap another, is not its business.
 *
 * @publicApi
 */
export interface Engine {
  readonly name: string;
  /** Called once, when start-up is complete; must not wait for a tick. */
  start(schedules: readonly EngineSchedule[], host: EngineHost): void | Promise<void>;
  /**
   * Called once; from then on nothing is fired, and no timer and no handle is left. The shutdown waits for the promise until
   * `shutdownTimeoutMs` is over, and drains the ticks meanwhile: it may wait for what `fire()` has returned.
   */
  stop(): void | Promise<void>;
  /** One more schedule, while the engine runs. */
  add(schedule: EngineSchedule): void | Promise<void>;
  /** Another timing for the schedule of this name, which counts afresh from now. */
  replace(schedule: EngineSchedule): void | Promise<void>;
  /** The schedule is fired no more. */
  remove(schedule: string): void | Promise<void>;
  /** The schedule keeps its grid. Slots that are fired all the same are skipped, with an event. */
  pause(schedule: string): void;
  resume(schedule: string): void;
  /** When the schedule is due next; undefined when it is paused, switched off, or never due again. */
  nextRun(schedule: string): Date | undefined;
}
