/** Messages that are remembered at most; beyond, those that were set longest ago are forgotten. */
const MOST_REMEMBERED = 10_000;

/** Remembers something of messages, by id. */
export class RecentMessages<V> {
  readonly #values = new Map<string, V>();

  get(id: string): V | undefined {
    return this.#values.get(id);
  }

  set(id: string, value: V): void {
    this.#values.delete(id);
    this.#values.set(id, value);
    if (this.#values.size > MOST_REMEMBERED) this.forget(this.#values.keys().next().value!);
  }

  forget(id: string): void {
    this.#values.delete(id);
  }
}
