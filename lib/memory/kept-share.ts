import type { Growth, TickCounts } from './growth.js';

interface Point {
  readonly heapBytes: number;
  readonly counts: TickCounts;
}

/** So many collections are looked back on: growth of long ago says nothing about now. */
const KEPT_POINTS = 10;
/** Less than this part of the heap drowns in what else comes and goes. */
const LEAST_PART = 0.1;

/**
 * Corrects what ticks are seen to leave by what V8's own full collections find alive. A tick that replaces what an earlier one has
 * left (a cache, the last report of its schedule) leaves something each time, and nothing grows: only a full collection knows.
 */
export class KeptShare {
  readonly #points: Point[] = [];

  /** To be called soon after a full collection. */
  note(heapBytes: number, growth: Growth): void {
    const [before, last] = this.#points.slice(-2);
    // Collections that come thick and fast must not push out those that can be compared.
    if (before !== undefined && last !== undefined) {
      const expected = growth.expectedBytes(before.counts, last.counts);
      if (expected < (last.heapBytes * LEAST_PART) / KEPT_POINTS) this.#points.pop();
    }
    this.#points.push({ heapBytes, counts: growth.counts() });
    if (this.#points.length > KEPT_POINTS) this.#points.shift();
  }

  /** How much of what the ticks should have left is still there, from 0 to 1; 1 as long as too little can be compared. */
  of(growth: Growth): number {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    if (first === undefined || last === undefined || first === last) return 1;
    const expected = growth.expectedBytes(first.counts, last.counts);
    if (expected < first.heapBytes * LEAST_PART) return 1;
    return Math.min(1, Math.max(0, (last.heapBytes - first.heapBytes) / expected));
  }
}
