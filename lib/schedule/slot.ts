import type { EngineSchedule, Schedule } from './schedule.js';

/**
 * The reason why a slot is due: the engine (`cron`, `interval`, `timeout`, `start`), a message, or a call (`manual`),
 * which is `registry.run()` or a standalone tick.
 */
export type Trigger = 'cron' | 'interval' | 'timeout' | 'manual' | 'message' | 'start';

/**
 * One due time of a schedule.
 *
 * @publicApi
 */
export interface EngineSlot {
  readonly schedule: EngineSchedule;
  readonly scheduledAt: Date;
  readonly trigger: Trigger;
  /**
   * True for a slot that is caught up, and for slots that are fired together. Such a slot waits its turn instead of being skipped
   * or merged.
   */
  readonly isCatchUp?: boolean;
}

/** The identity of one run: a schedule and its due time. */
export interface Slot extends EngineSlot {
  readonly schedule: Schedule;
  /** The id of the message, for logs. */
  readonly messageId?: string;
}
