/** Opens once, and stays open. The promise is made on demand, because most latches have nobody who waits. */
export class Latch {
  #isOpen = false;
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  /** Settles when the latch has opened; never rejects. */
  get opened(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return (this.#promise ??= new Promise<void>((resolve) => (this.#resolve = resolve)));
  }

  open(): void {
    this.#isOpen = true;
    this.#resolve?.();
  }
}
