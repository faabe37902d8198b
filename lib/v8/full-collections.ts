import { GCProfiler } from 'node:v8';

/**
 * Sees now and then that V8 has made a full garbage collection: an object that nothing else holds is gone. A collection of young
 * garbage leaves what a `WeakRef` points at. It may miss one, as looking at the object can keep it alive; it costs nothing.
 */
export class FullCollections {
  #sentinel = new WeakRef({});

  /** True when one was seen since the last call. */
  happened(): boolean {
    if (this.#sentinel.deref() !== undefined) return false;
    this.#sentinel = new WeakRef({});
    return true;
  }
}

/**
 * Watches V8's collections, misses none, and costs some native memory for each.
 *
 * @returns a function that ends it, and says whether there was a full one.
 */
export function watchFullCollections(): () => boolean {
  const profiler = new GCProfiler();
  profiler.start();
  return () => profiler.stop().statistics.some(({ gcType }) => gcType === 'MarkSweepCompact');
}
