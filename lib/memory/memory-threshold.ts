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
