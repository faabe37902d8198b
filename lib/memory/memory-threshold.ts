import type { MemoryOptions } from './memory-options.js';
import { MIB, type MemorySample } from './process-memory.js';
import type { ScheduleGrowth } from './schedule-growth.js';

/**
 * A threshold of the memory watch: the option that sets it, and its value in MiB or percent.
 *
 * @publicApi
 */
export interface MemoryThreshold {
  readonly option: 'warnAtMb' | 'warnAtPercent' | 'stopAtMb' | 'stopAtPercent';
  readonly value: number;
}

/** Returns the threshold that the options set for the warning or for the stop, if any. */
export function thresholdOf(
  options: MemoryOptions,
  purpose: 'warn' | 'stop',
): MemoryThreshold | undefined {
  for (const option of [`${purpose}AtMb`, `${purpose}AtPercent`] as const) {
    const value = options[option];
    if (value !== undefined) return { option, value };
  }
  return undefined;
}

/** Returns the memory of a sample, in the unit of the threshold. */
export function levelOf(sample: MemorySample, { option }: MemoryThreshold): number {
  return option.endsWith('Mb') ? sample.rssBytes / MIB : sample.percent;
}

/**
 * The share of the threshold below which a value must fall before the next crossing counts, so that a wavering value is reported
 * only once.
 */
const REARMED_BELOW = 0.95;

/** Detects when a value crosses a threshold: once upward, and once downward when the value has fallen more than 5% below it. */
export class Crossing {
  #isAbove = false;

  constructor(private readonly threshold: number) {}

  /** Returns the direction in which the value has crossed the threshold since the last call; undefined if it hasn't. */
  see(value: number): 'up' | 'down' | undefined {
    if (!this.#isAbove && value >= this.threshold) {
      this.#isAbove = true;
      return 'up';
    }
    if (this.#isAbove && value < this.threshold * REARMED_BELOW) {
      this.#isAbove = false;
      return 'down';
    }
    return undefined;
  }
}

/**
 * The result of one check by the memory watch.
 *
 * @publicApi
 */
export interface MemoryCheck {
  readonly sample: MemorySample;
  /** The schedules whose ticks leave data in the heap, starting with the one that has added the most. */
  readonly schedules: readonly ScheduleGrowth[];
}

/**
 * Emitted when the memory of the process reaches a threshold, or falls back to more than 5% below it.
 *
 * @publicApi
 */
export interface MemoryCrossing extends MemoryCheck {
  readonly threshold: MemoryThreshold;
}
