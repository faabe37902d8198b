import type { Straggler } from '../registry/long-running.js';
import { SecondSignal } from './signals.js';

/** Limits the total time that the shutdown waits. A second signal ends the wait. */
export class Patience {
  /** A `performance.now()` timestamp. */
  #deadline = 0;
  #secondSignal: SecondSignal | undefined;

  /** @param leftMs Milliseconds that the remaining waits may take in total. */
  constructor(private leftMs: number) {}

  /**
   * Runs a phase in which the library waits, and returns the phase's result. Time that the application's hooks take between two
   * phases doesn't count.
   */
  async during<T>(phase: () => Promise<T>): Promise<T> {
    this.#deadline = performance.now() + this.leftMs;
    const secondSignal = (this.#secondSignal = new SecondSignal());
    void secondSignal.received.then(() => (this.#deadline = 0));
    try {
      return await phase();
    } finally {
      this.leftMs = this.remainingMs;
      secondSignal.dispose();
      this.#secondSignal = undefined;
    }
  }

  /**
   * Waits until no stragglers are left, including any that others start in the meantime. Stops waiting when the time is up or
   * a second signal arrives.
   */
  async wait(stragglers: () => readonly Straggler[], atMostMs = Infinity): Promise<void> {
    const timeoutMs = Math.min(this.remainingMs, atMostMs);
    if (timeoutMs <= 0 || stragglers().length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeIsUp = new Promise<'over'>((resolve) => {
      timer = setTimeout(() => resolve('over'), timeoutMs);
    });
    const signalled = this.#secondSignal?.received.then(() => 'over' as const);
    const giveUp = Promise.race([timeIsUp, ...(signalled === undefined ? [] : [signalled])]);
    for (let rest = stragglers(); rest.length > 0; rest = stragglers()) {
      const settled = Promise.all(rest.map(({ done }) => done)).then(() => 'settled' as const);
      if ((await Promise.race([settled, giveUp])) === 'over') break;
    }
    clearTimeout(timer);
  }

  private get remainingMs(): number {
    return Math.max(this.#deadline - performance.now(), 0);
  }
}
