import type { EngineSchedule, Schedule } from './schedule.js';

/** What made a slot due. */
export type Trigger = 'cron' | 'interval' | 'timeout' | 'manual' | 'message' | 'start';

/**
 * One due moment of a schedule.
 *
 * @publicApi
 */
export interface EngineSlot {
  readonly schedule: EngineSchedule;
  readonly scheduledAt: Date;
  readonly trigger: Trigger;
  /**
   * True for a slot that is made up for, and for what is due behind it: it waits its turn instead of being skipped
   * or merged.
   */
  readonly isCatchUp?: boolean;
}

/** The identity of one due moment: a schedule and the time it was due at. */
export interface Slot extends EngineSlot {
  readonly schedule: Schedule;
  /** The id of its message, for logs. */
  readonly messageId?: string;
}
