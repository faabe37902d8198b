import { constants, PerformanceObserver } from 'node:perf_hooks';
import { GCProfiler } from 'node:v8';

/** The number of complete collections that an object must survive to count as reachable. */
const ENOUGH = 3;

/**
 * Observes the major garbage collections of the process.
 *
 * V8 reports one entry of kind `MAJOR` for each mark-compact: forced, done at once, or marked in steps before (`INCREMENTAL` is
 * the start of such steps). An object that becomes unreachable while V8 marks in steps survives only that one collection. So two
 * would suffice; a third covers the gap between two entries. A scavenge (`MINOR`) doesn't count, because it keeps the targets of
 * a `WeakRef` alive.
 */
export class MajorCollections {
  readonly #observer: PerformanceObserver;
  /** When the latest began, as moments of `performance.now()`, oldest first. */
  readonly #latest: number[] = [];

  /** @param happened Called after collections, in its own job. */
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

  /** The moment since which there were enough collections; -Infinity while there were too few. */
  get enoughSince(): number {
    return this.#latest.length < ENOUGH ? Number.NEGATIVE_INFINITY : this.#latest[0]!;
  }

  stop(): void {
    this.#observer.disconnect();
  }
}

/**
 * Detects full garbage collections at no cost: an object that nothing else holds is gone after one. A collection of young garbage
 * keeps the target of a `WeakRef`. May miss a collection, because dereferencing the object can keep it alive.
 */
export class FullCollections {
  #sentinel = new WeakRef({});

  /** Returns true if it detected one since the last call. */
  happened(): boolean {
    if (this.#sentinel.deref() !== undefined) return false;
    this.#sentinel = new WeakRef({});
    return true;
  }
}

/**
 * Watches V8's collections without missing one, at the cost of some native memory for each.
 *
 * @returns a function that stops watching, and returns true if there was a full collection.
 */
export function watchFullCollections(): () => boolean {
  const profiler = new GCProfiler();
  profiler.start();
  return () => profiler.stop().statistics.some(({ gcType }) => gcType === 'MarkSweepCompact');
}
