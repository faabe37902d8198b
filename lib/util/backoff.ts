/** Returns waits that double each time, up to a limit: a failed operation is retried soon, but never in a hot loop. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly longestMs: number,
  ) {}

  /** Returns the wait after one more failure, in milliseconds. */
  next(): number {
    const waitMs = Math.min(this.firstMs * 2 ** this.#failures, this.longestMs);
    this.#failures += 1;
    return waitMs;
  }

  /** Resets the waits after a success. */
  reset(): void {
    this.#failures = 0;
  }
}
