import { within } from '../util/within.js';

/** What is being built for a scope at this moment: loads that were asked of it, and the builds under them. */
export class Builds {
  #loads = 0;
  #underWay = 0;
  #hasFailed = false;
  #loadsDone: (() => void) | undefined;
  /** What members of circles of `forwardRef()` wait for: Nest 11.0 does not wait for it. */
  #circle: Promise<void>[] = [];

  constructor(
    /** Waits until Nest builds nothing more for the scope. */
    private readonly quiesce: () => Promise<void>,
  ) {}

  get areSettled(): boolean {
    return this.#loads === 0 && this.#underWay === 0 && !this.#hasFailed;
  }

  get areUnderWay(): boolean {
    return this.#underWay > 0;
  }

  began(): void {
    this.#underWay += 1;
  }

  ended(): void {
    this.#underWay -= 1;
  }

  /** From here on siblings may be under way that nobody waits for. */
  failed(): void {
    this.#hasFailed = true;
  }

  /** A load waits for what a member of a circle waits for, and throws its error. */
  addToCircle(ready: Promise<void>): void {
    this.#circle.push(ready);
  }

  /**
   * Follows a load.
   *
   * @param arrived is given the instance; what it throws the load throws.
   */
  load<T>(loading: Promise<T>, arrived: (instance: T) => T): Promise<T> {
    this.#loads += 1;
    const done = (): void => {
      this.#loads -= 1;
      if (this.#loads === 0) this.#loadsDone?.();
    };
    const failed = (error: unknown): never => {
      this.failed();
      done();
      throw error;
    };
    const succeeded = (instance: T): T => {
      done();
      return arrived(instance);
    };
    const loaded = loading.then(
      (instance) =>
        this.#circle.length === 0
          ? succeeded(instance)
          : this.settleCircle().then(() => succeeded(instance), failed),
      failed,
    );
    loaded.catch(() => undefined); // a handler that does not wait for its resolve must not end the process
    return loaded;
  }

  /**
   * Waits until nothing is being built any more, at most `timeoutMs`. When one dependency fails, Nest rejects
   * at once while its siblings are still being built.
   */
  async settle(timeoutMs: number): Promise<void> {
    if (this.areSettled) return;
    const giveUp = new Error();
    await within(this.idle(), timeoutMs, () => giveUp).catch((error: unknown) => {
      if (error !== giveUp) throw error;
    });
  }

  private async idle(): Promise<void> {
    if (this.#loads > 0) await new Promise<void>((resolve) => (this.#loadsDone = resolve));
    if (!this.areSettled) await this.quiesce();
  }

  private async settleCircle(): Promise<void> {
    await this.quiesce();
    await Promise.all(this.#circle.splice(0));
  }
}
