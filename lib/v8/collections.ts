import { constants, PerformanceObserver } from 'node:perf_hooks';
import { GCProfiler } from 'node:v8';

/** So many complete collections must have left an object alone before it counts as reachable. */
const ENOUGH = 3;

/**
 * Sees the major garbage collections of the process.
 *
 * V8 reports one entry of kind `MAJOR` for each mark-compact, whether it was forced, done at once, or marked in steps
 * before (`INCREMENTAL` is the start of such steps). An object that dies while V8 marks in steps survives that one
 * collection, never the next: two would do, and one more is for the slot between two entries. A scavenge (`MINOR`) tells
 * nothing: it takes what a `WeakRef` points to for alive.
 */
export class MajorCollections {
  readonly #observer: PerformanceObserver;
  /** When the latest began, on the clock of `performance.now()`; the oldest first. */
  readonly #latest: number[] = [];

  /** @param happened is called after collections, in a job of its own. */
  constructor(happened: () => void) {
    this.#observer = new PerformanceObserver((list) => {
      const majors = list.getEntries().filter((entry) => {
        const { kind } = (entry as { detail?: { kind?: number } }).detail ?? {};
        return kind === constants.NODE_PERFORMANCE_GC_MAJOR;
      });
      if (majors.length === 0) return;
      this.#latest.push(...majors.map((entry) => entry.startTime));
      this.#latest.splice(0, this.#latest.length - ENOUGH);
      happened();
    });
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** What was over before this time has seen enough collections since; -Infinity while there were too few. */
  get enoughSince(): number {
    return this.#latest.length < ENOUGH ? Number.NEGATIVE_INFINITY : this.#latest[0]!;
  }

  stop(): void {
    this.#observer.disconnect();
  }
}

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
