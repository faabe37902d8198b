import type { GrowthEstimates, TickCounts } from './schedule-growth.js';

/** The number of collections that count; older growth says nothing about the present. */
const KEPT_POINTS = 10;
/** Growth smaller than this share of the heap can't be distinguished from other changes. */
const LEAST_PART = 0.1;

/**
 * Corrects the measured growth, based on the size of the heap after V8's own full collections. A tick that replaces the data of an
 * earlier tick (in a cache, for example) leaves something each time, yet nothing grows. Only a full collection shows this.
 */
export class KeptShare {
  readonly #points: { readonly heapBytes: number; readonly counts: TickCounts }[] = [];

  /** Notes the size of the heap. Call it soon after a full collection. */
  note(heapBytes: number, growth: GrowthEstimates): void {
    const [before, last] = this.#points.slice(-2);
    // Collections in quick succession must not push out the points that can be compared.
    if (before !== undefined && last !== undefined) {
      const expected = growth.expectedBytes(before.counts, last.counts);
      if (expected < (last.heapBytes * LEAST_PART) / KEPT_POINTS) this.#points.pop();
    }
    this.#points.push({ heapBytes, counts: growth.counts() });
    if (this.#points.length > KEPT_POINTS) this.#points.shift();
  }

  /** Returns the share of the expected growth that is still there, from 0 to 1; 1 while there is too little to compare. */
  of(growth: GrowthEstimates): number {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    if (first === undefined || last === undefined || first === last) return 1;
    const expected = growth.expectedBytes(first.counts, last.counts);
    if (expected < first.heapBytes * LEAST_PART) return 1;
    return Math.min(1, Math.max(0, (last.heapBytes - first.heapBytes) / expected));
  }
}
