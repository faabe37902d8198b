import { MIB, type MemorySample } from './process-memory.js';
import type { MemoryCrossing, MemoryThreshold } from './memory-threshold.js';
import type { ScheduleGrowth } from './schedule-growth.js';

/** The maximum number of schedules in a log line; the event lists all of them. */
const NAMED = 3;

/** Returns the memory in use, as the threshold measures it, for example `RSS 512 MiB`. */
function levelText(sample: MemorySample, { option }: MemoryThreshold): string {
  const { rssBytes, heapUsedBytes, heapLimitBytes, limitBytes, percent } = sample;
  if (option.endsWith('Mb')) return `RSS ${bytesText(rssBytes)}`;
  const isHeap = heapUsedBytes / heapLimitBytes > rssBytes / limitBytes;
  const [name, used, limit] = isHeap
    ? ['heap', heapUsedBytes, heapLimitBytes]
    : ['RSS', rssBytes, limitBytes];
  return `${name} ${bytesText(used as number)} of ${bytesText(limit as number)} (${percent.toFixed(1)}%)`;
}

/** Returns, for example, `RSS 512 MiB has reached memory.warnAtMb (500)`. */
export function reachedText({ sample, threshold }: MemoryCrossing): string {
  return `${levelText(sample, threshold)} has reached ${thresholdText(threshold)}`;
}

/** Returns, for example, `RSS 470 MiB is below memory.warnAtMb (500) again`. */
export function recoveredText({ sample, threshold }: MemoryCrossing): string {
  return `${levelText(sample, threshold)} is below ${thresholdText(threshold)} again`;
}

/** Returns, for example, `memory.warnAtMb (500)`. */
export function thresholdText({ option, value }: MemoryThreshold): string {
  return `memory.${option} (${value})`;
}

/** Returns a sentence with the schedules that have added the most memory. */
export function growthText(schedules: readonly ScheduleGrowth[]): string {
  if (schedules.length === 0) return 'No schedule appears to cause growth.';
  const named = schedules
    .slice(0, NAMED)
    .map(
      ({ schedule, bytesPerTick, ticks }) =>
        `${schedule} (+${bytesText(bytesPerTick)} per tick, ${ticks} ticks)`,
    );
  return `Most growth: ${named.join(', ')}.`;
}

function bytesText(bytes: number): string {
  if (bytes >= 10 * MIB) return `${Math.round(bytes / MIB)} MiB`;
  if (bytes >= MIB) return `${(bytes / MIB).toFixed(1)} MiB`;
  if (bytes >= 1_024) return `${(bytes / 1_024).toFixed(1)} KiB`;
  return `${bytes} bytes`;
}
