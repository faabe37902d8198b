import { Injectable } from '@nestjs/common';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { FullCollections, watchFullCollections } from './full-collections.js';
import type { HeapReader } from './growth-meter.js';
import { memorySample, type MemorySample } from './memory-sample.js';
import { collectYoungGarbage } from './young-garbage.js';

/** Where the memory watch reads: the process, or what a test puts in its place. */
export abstract class MemorySource implements HeapReader {
  abstract sample(): MemorySample;
  abstract floorBytes(): number | undefined;
  abstract wasCollected(): boolean;
  abstract watchCollections(): () => boolean;
}

/** Reads the memory of this process. */
@Injectable()
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
    if (!collectYoungGarbage()) return undefined;
    const { used_heap_size, external_memory } = getHeapStatistics();
    return used_heap_size + external_memory;
  }

  wasCollected(): boolean {
    return this.#collections.happened();
  }

  watchCollections(): () => boolean {
    return watchFullCollections();
  }
}
