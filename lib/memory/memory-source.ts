import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { FullCollections, watchFullCollections } from './full-collections.js';
import type { HeapReader } from './growth-meter.js';
import { memorySample, MIB, type MemorySample } from './memory-sample.js';
import { collectAllGarbage, collectYoungGarbage } from './garbage.js';

/** Where the memory watch reads: the process, or what a test puts in its place. */
export abstract class MemorySource implements HeapReader {
  abstract sample(): MemorySample;
  abstract floorBytes(): number | undefined;
  abstract liveBytes(): number | undefined;
  abstract wasCollected(): boolean;
  abstract watchCollections(): () => boolean;
}

/** Collecting all garbage of a larger heap would stop the process for more than about a quarter of a second. */
const LARGEST_HEAP_BYTES = 256 * MIB;

/** Reads the memory of this process. */
export class ProcessMemory extends MemorySource {
  readonly #collections = new FullCollections();

  sample(): MemorySample {
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    const total = totalmem();
    // 0, or a number beyond all memory, where there is no limit.
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

function heldBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
