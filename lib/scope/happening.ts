/** Something that happens once, and that few wait for: the promise is made on demand. */
export class Happening {
  #hasHappened = false;
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  /** Settles when it has happened; never rejects. */
  get happened(): Promise<void> {
    if (this.#hasHappened) return Promise.resolve();
    return (this.#promise ??= new Promise<void>((resolve) => (this.#resolve = resolve)));
  }

  make(): void {
    this.#hasHappened = true;
    this.#resolve?.();
  }
}
