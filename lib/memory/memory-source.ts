import { totalmem } from 'node:os';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import {
  FullCollections,
  watchFullCollections,
  collectAllGarbage,
  collectYoungGarbage,
} from '../util/garbage-collections.js';
import type { HeapReader } from './growth-meter.js';
import { memorySample, MIB, type MemorySample } from './memory-sample.js';

/** Reads memory for the memory watch; tests replace it. */
export abstract class MemorySource implements HeapReader {
  abstract sample(): MemorySample;
  abstract floorBytes(): number | undefined;
  abstract liveBytes(): number | undefined;
  abstract wasCollected(): boolean;
  abstract watchCollections(): () => boolean;
}

/** The largest heap for full collections: in a larger one, they would stop the process for more than about 250 ms. */
const LARGEST_HEAP_BYTES = 256 * MIB;

/** Reads the memory of this process. */
export class ProcessMemory extends MemorySource {
  readonly #collections = new FullCollections();

  sample(): MemorySample {
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    const total = totalmem();
    // Without a limit, it is 0 or greater than all memory.
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

/** Spaces with compiled code, which comes and goes with collections, about 200 KB at a time. No tick keeps it. */
const NOT_DATA = /^(code|trusted|read_only|shared)_/;

function heldBytes(): number {
  const data = getHeapSpaceStatistics().filter(({ space_name }) => !NOT_DATA.test(space_name));
  const heapBytes = data.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
  return heapBytes + getHeapStatistics().external_memory;
}
