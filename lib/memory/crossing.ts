/** So far below its threshold a value must fall before the next crossing counts: a value that sways about it is told of once. */
const REARMED_BELOW = 0.95;

/** Sees when a value crosses a threshold: once up, and once down again when it has fallen 5 % below. */
export class Crossing {
  #isAbove = false;

  constructor(private readonly threshold: number) {}

  /** @returns what the value has done since the last one, if it crossed. */
  see(value: number): 'up' | 'down' | undefined {
    if (!this.#isAbove && value >= this.threshold) {
      this.#isAbove = true;
      return 'up';
    }
    if (this.#isAbove && value < this.threshold * REARMED_BELOW) {
      this.#isAbove = false;
      return 'down';
    }
    return undefined;
  }
}
