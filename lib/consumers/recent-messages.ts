/** The maximum number of messages to remember; beyond it, the entry that was set longest ago is dropped. */
const MOST_REMEMBERED = 10_000;

/** Remembers a value for each message, by id. */
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
