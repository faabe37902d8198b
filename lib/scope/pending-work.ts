/** What was given to `waitFor`. */
export class PendingWork {
  /** In the order in which the work failed. */
  readonly errors: unknown[] = [];
  #pending: Promise<void>[] = [];

  add(work: PromiseLike<unknown>): void {
    const settled = Promise.resolve(work).then(
      () => undefined,
      (error: unknown) => void this.errors.push(error),
    );
    this.#pending.push(settled);
  }

  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Waits for all of it, work that is added meanwhile included. */
  async settle(): Promise<void> {
    while (this.isPending) await Promise.all(this.#pending.splice(0));
  }
}
