/** Opens once, and stays open. Creates the promise on demand, because no code waits for most latches. */
export class Latch {
  isOpen = false;
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  get opened(): Promise<void> {
    if (this.isOpen) return Promise.resolve();
    return (this.#promise ??= new Promise<void>((resolve) => (this.#resolve = resolve)));
  }

  open(): void {
    this.isOpen = true;
    this.#resolve?.();
  }
}
