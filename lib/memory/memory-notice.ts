import type { ScheduleGrowth } from './schedule-growth.js';
import type { MemorySample } from './memory-sample.js';
import type { MemoryThreshold } from './memory-threshold.js';

/**
 * A check of the memory watch.
 *
 * @publicApi
 */
export interface MemoryCheck {
  readonly sample: MemorySample;
  /** The schedules whose ticks leave something in the heap, the one that has added most first. */
  readonly schedules: readonly ScheduleGrowth[];
}

/**
 * The memory of the process has reached a threshold, or has fallen below it again.
 *
 * @publicApi
 */
export interface MemoryCrossing extends MemoryCheck {
  readonly threshold: MemoryThreshold;
}
