import type { GrowthEstimate } from './growth.js';
import { MIB } from './memory-sample.js';

/**
 * An estimate of what the ticks of a schedule leave in the heap and in buffers.
 *
 * @publicApi
 */
export interface ScheduleGrowth {
  readonly schedule: string;
  /** The number of ticks that have finished since the watch began. */
  readonly ticks: number;
  /** The number of ticks that the figures come from, including ticks that finished during a measurement. */
  readonly measuredTicks: number;
  /** What one tick leaves permanently, on average over the last measurements. */
  readonly bytesPerTick: number;
  /** `bytesPerTick` times `ticks`: what the schedule has added so far. */
  readonly bytes: number;
}

/** The minimum total growth of a schedule that is reported. */
export const LEAST_BYTES = MIB;

/**
 * Returns the schedules that grow, the one that has added most first.
 *
 * @param keptShare The share of the measured growth that stays, from 0 to 1; applies to schedules without a confirmation.
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
