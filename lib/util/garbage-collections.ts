import { setFlagsFromString, GCProfiler } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { constants, PerformanceObserver } from 'node:perf_hooks';

/** The number of full collections that an object must survive to count as reachable. */
const ENOUGH = 3;

/**
 * Observes the full garbage collections of the process, which V8 calls major.
 *
 * V8 reports one entry of kind `MAJOR` for each mark-compact, whether or not it is forced, and whether V8 marks in one step or in
 * several. `INCREMENTAL` marks the start of such steps. An object that becomes unreachable while V8 marks in steps survives only
 * that one collection. So two collections would suffice; a third covers the gap between two entries. A scavenge (`MINOR`) doesn't
 * count, because it keeps the targets of a `WeakRef` alive.
 */
export class FullCollectionObserver {
  readonly #observer: PerformanceObserver;
  /** When the latest collections began, as `performance.now()` timestamps, oldest first. */
  readonly #latest: number[] = [];

  /** @param happened Called after collections, in a separate task. */
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

  /** The time since which enough collections have run; -Infinity while there are too few. */
  get enoughSince(): number {
    return this.#latest.length < ENOUGH ? Number.NEGATIVE_INFINITY : this.#latest[0]!;
  }

  stop(): void {
    this.#observer.disconnect();
  }
}

/**
 * Detects full garbage collections at no cost: an object that nothing references is gone afterward. A young-generation collection
 * keeps the target of a `WeakRef` alive. May miss a collection, because dereferencing the object can keep it alive.
 */
export class FullCollections {
  #sentinel = new WeakRef({});

  /** Returns true if a full collection was detected since the last call. */
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

type Collect = (options?: { readonly type: 'minor' }) => void;

/** V8's `gc` function; undefined until it is first needed, null if V8 doesn't provide it. */
let collect: Collect | null | undefined;

/**
 * Runs two young-generation garbage collections, which V8 calls scavenges. Their duration depends on the survivors, not on the
 * size of the heap. After the second one, survivors are old and aren't copied again. Also, when a collection finds dead buffers, V8 subtracts their memory
 * only in the next collection.
 *
 * @returns false if this isn't possible.
 */
export function collectYoungGarbage(): boolean {
  const collectGarbage = loadedCollector();
  collectGarbage?.({ type: 'minor' });
  collectGarbage?.({ type: 'minor' });
  return collectGarbage !== null;
}

/**
 * Runs a full garbage collection, which stops the process for about a millisecond for each MiB of small live objects (Node 20).
 *
 * @returns false if this isn't possible.
 */
export function collectAllGarbage(): boolean {
  const collectGarbage = loadedCollector();
  if (collectGarbage === null) return false;
  // V8 drops bytecode that hasn't run for several collections, and would compile it again in the middle of a tick.
  setFlagsFromString('--no-flush-bytecode');
  try {
    collectGarbage();
  } finally {
    setFlagsFromString('--flush-bytecode');
  }
  return collectYoungGarbage();
}

function loadedCollector(): Collect | null {
  if (collect === undefined) collect = collector() ?? null;
  return collect;
}

/** Returns the `gc` function of a new context: `--expose-gc` adds it there and leaves the global object unchanged. */
function collector(): Collect | undefined {
  try {
    if (typeof globalThis.gc === 'function') return globalThis.gc as Collect;
    setFlagsFromString('--expose-gc');
    try {
      return runInNewContext('typeof gc === "function" ? gc : undefined') as Collect | undefined;
    } finally {
      setFlagsFromString('--no-expose-gc');
    }
  } catch {
    // The engine isn't V8, or its flags are frozen: growth isn't measured.
    return undefined;
  }
}
