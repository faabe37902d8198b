import type { MemoryOptions } from './memory-options.js';
import { MIB, type MemorySample } from './memory-sample.js';

/**
 * A threshold of the memory watch: the option that gives it, and its value in MiB or percent.
 *
 * @publicApi
 */
export interface MemoryThreshold {
  readonly option: 'warnAtMb' | 'warnAtPercent' | 'stopAtMb' | 'stopAtPercent';
  readonly value: number;
}

/** The threshold that the options give for a warning or for the stop, if any. */
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

/** How far a sample is, in the unit of the threshold. */
export function levelOf(sample: MemorySample, { option }: MemoryThreshold): number {
  return option.endsWith('Mb') ? sample.rssBytes / MIB : sample.percent;
}

/** So far below its threshold a value must fall before the next crossing counts: a value that sways about it is told of once. */
const REARMED_BELOW = 0.95;

/** Sees when a value crosses a threshold: once up, and once down again when it has fallen 5 % below. */
export class Crossing {
  #isAbove = false;

  constructor(private readonly threshold: number) {}

  /** @returns what the value has done since the last one, if it crossed. */
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
