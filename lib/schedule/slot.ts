import type { Schedule } from './schedule.js';

/** What made a slot due. */
export type Trigger = 'cron' | 'interval' | 'timeout' | 'manual' | 'message' | 'start';

/** The identity of one due moment: a schedule and the time it was due at. */
export interface Slot {
  readonly schedule: Schedule;
  readonly scheduledAt: Date;
  readonly trigger: Trigger;
}
