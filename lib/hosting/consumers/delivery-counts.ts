/** Messages whose deliveries are remembered at most; beyond, those that were delivered longest ago are forgotten. */
const MOST_COUNTED = 10_000;

/** Counts deliveries by id, for sources that do not. */
export class DeliveryCounts {
  readonly #counts = new Map<string, number>();

  /** One more failed delivery. @returns how many there were. */
  add(id: string): number {
    const count = (this.#counts.get(id) ?? 0) + 1;
    this.#counts.delete(id);
    this.#counts.set(id, count);
    if (this.#counts.size > MOST_COUNTED) this.forget(this.#counts.keys().next().value!);
    return count;
  }

  forget(id: string): void {
    this.#counts.delete(id);
  }
}
