import { totalmem } from 'node:os';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import {
  FullCollections,
  watchFullCollections,
  collectAllGarbage,
  collectYoungGarbage,
} from '../util/garbage-collections.js';

/** One MiB, in bytes. */
export const MIB = 1_048_576;

/**
 * One sample of the memory of the process.
 *
 * @publicApi
 */
export interface MemorySample {
  /** Resident memory of the whole process: heap, buffers, code, native libraries, stacks. */
  readonly rssBytes: number;
  /** The size of all objects in V8's heap, including garbage that hasn't been collected yet, but not buffers. */
  readonly heapUsedBytes: number;
  /** The heap size (`--max-old-space-size`) beyond which V8 ends the process. */
  readonly heapLimitBytes: number;
  /** The memory available to the process: the limit of its container, or else the total memory of the machine. */
  readonly limitBytes: number;
  /** The greater of heap used / heap limit and RSS / limit, in percent. */
  readonly percent: number;
}

/** Returns a sample with the given figures and the percentage that follows from them. */
export function memorySample(figures: Omit<MemorySample, 'percent'>): MemorySample {
  const { rssBytes, heapUsedBytes, heapLimitBytes, limitBytes } = figures;
  const percent = Math.max(heapUsedBytes / heapLimitBytes, rssBytes / limitBytes) * 100;
  return { ...figures, percent };
}

/** Reads memory figures for the memory watch; tests replace this class. */
export abstract class MemorySource {
  abstract sample(): MemorySample;
  /**
   * Returns the size of the heap and the buffers right after a young-generation garbage collection; undefined if that isn't
   * possible.
   */
  abstract floorBytes(): number | undefined;
  /**
   * Returns the size of the heap and the buffers right after a full collection; undefined if that isn't possible or takes too long.
   */
  abstract liveBytes(): number | undefined;
  /** Returns true if a full collection by V8 has been detected since the last call; a collection may be missed. */
  abstract wasCollected(): boolean;
  /** Watches for every full collection until you call the returned function, which returns true if there was one. */
  abstract watchCollections(): () => boolean;
}

/** The largest heap in which full collections are run: in a larger one, they would pause the process for more than about 250 ms. */
const LARGEST_HEAP_BYTES = 256 * MIB;

/** Reads the memory of this process. */
export class ProcessMemory extends MemorySource {
  readonly #collections = new FullCollections();

  sample(): MemorySample {
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    const total = totalmem();
    // Without a limit, `constrainedMemory()` returns 0, or more than the machine's memory.
    const constrained = process.constrainedMemory();
    return memorySample({
      rssBytes: process.memoryUsage.rss(),
      heapUsedBytes: used_heap_size,
      heapLimitBytes: heap_size_limit,
      limitBytes: constrained > 0 && constrained < total ? constrained : total,
    });
  }

  floorBytes(): number | undefined {
    return collectYoungGarbage() ? heldBytes() : undefined;
  }

  liveBytes(): number | undefined {
    const { used_heap_size } = getHeapStatistics();
    return used_heap_size <= LARGEST_HEAP_BYTES && collectAllGarbage() ? heldBytes() : undefined;
  }

  wasCollected(): boolean {
    return this.#collections.happened();
  }

  watchCollections(): () => boolean {
    return watchFullCollections();
  }
}

/** Matches heap spaces that contain no data from ticks. Compiled code, for example, comes and goes, about 200 KB at a time. */
const NOT_DATA = /^(code|trusted|read_only|shared)_/;

function heldBytes(): number {
  const data = getHeapSpaceStatistics().filter(({ space_name }) => !NOT_DATA.test(space_name));
  const heapBytes = data.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
  return heapBytes + getHeapStatistics().external_memory;
}
