import type { GrowthEstimate } from './growth.js';
import { MIB } from './memory-sample.js';

/**
 * What the ticks of a schedule leave in the heap and in buffers: an estimate.
 *
 * @publicApi
 */
export interface ScheduleGrowth {
  readonly schedule: string;
  /** Ticks that have ended since the watch began. */
  readonly ticks: number;
  /** How many of them the figures come from; with ticks that ended meanwhile. */
  readonly measuredTicks: number;
  /** What one of its ticks leaves for good, on average over the last stretches that were measured. */
  readonly bytesPerTick: number;
  /** `bytesPerTick` times `ticks`: what it has added so far. */
  readonly bytes: number;
}

/** What a schedule has added in all is not worth a word below this. */
export const LEAST_BYTES = MIB;

/**
 * The schedules that grow, the one that has added most first.
 *
 * @param keptShare The share of the measured growth that stays, from 0 to 1, for schedules that no full collection has
 * confirmed.
 */
export function growingSchedules(
  estimates: readonly GrowthEstimate[],
  keptShare: number,
): ScheduleGrowth[] {
  return estimates
    .filter(({ isSure }) => isSure)
    .map(({ schedule, ticks, measuredTicks, isConfirmed, bytesPerTick: left }) => {
      const bytesPerTick = Math.round(isConfirmed ? left : left * keptShare);
      return { schedule, ticks, measuredTicks, bytesPerTick, bytes: bytesPerTick * ticks };
    })
    .filter(({ bytes }) => bytes >= LEAST_BYTES)
    .sort((left, right) => right.bytes - left.bytes);
}
