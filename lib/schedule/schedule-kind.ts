/** What makes a handler due. */
export type ScheduleKind = 'cron' | 'interval' | 'timeout' | 'message';
