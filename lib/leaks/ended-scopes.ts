import type { LeakFound } from '../events/event-map.js';
import type { EndedScope } from './ended-scope.js';
import { Survivors } from './survivors.js';

/** More instances than these are not followed at once: some 10 MB of notes. */
export const MOST_FOLLOWED = 100_000;

/**
 * Closed scopes until enough collections have passed, then what has survived them.
 *
 * Each `WeakRef` is looked into once, when its scope is due: an earlier look would keep the instance alive for a
 * collection that is marking just then.
 */
export class EndedScopes {
  /** In the order in which they ended. */
  #waiting: EndedScope[] = [];
  #waitingCount = 0;
  #survivors = new Survivors();
  /** Objects that factories give to one scope after the other: lent, no scope's own. */
  readonly #lent = new WeakSet<object>();

  constructor(
    private readonly graceMs: number,
    /** True for what a static provider holds: of a factory's objects, its own. */
    private readonly isHeld: (instance: object) => boolean = () => false,
  ) {}

  get isFull(): boolean {
    return this.#waitingCount + this.#survivors.count >= MOST_FOLLOWED;
  }

  lend(instance: object): void {
    this.#lent.add(instance);
  }

  add(scope: EndedScope): void {
    this.#waiting.push(scope);
    this.#waitingCount += scope.instances.length;
  }

  /**
   * Looks at the scopes whose time has come. Runs in a job of its own: what is looked at stays alive until its end.
   *
   * @param enoughSince when the third-last collection began
   * @returns what is to be told
   */
  sweep(enoughSince: number, now: number): LeakFound[] {
    let due = 0;
    for (const { endedAt, instances, origin } of this.#waiting) {
      if (endedAt + this.graceMs >= enoughSince) break;
      due += 1;
      this.#waitingCount -= instances.length;
      for (const { ref, className, isMade } of instances) {
        const instance = ref.deref();
        if (instance === undefined || this.#lent.has(instance)) continue;
        // Here, not when it was built: few survive, and looking through all static providers takes time.
        if (isMade && this.isHeld(instance)) continue;
        this.#survivors.add(instance, className, origin, endedAt);
      }
    }
    if (due > 0) this.#waiting = this.#waiting.slice(due);
    return this.#survivors.news(now);
  }

  /** A schedule is gone, and nothing of it is told any more. */
  forget(schedule: string): void {
    this.#waiting = this.#waiting.filter(({ origin }) => origin.schedule !== schedule);
    this.#waitingCount = this.#waiting.reduce((sum, { instances }) => sum + instances.length, 0);
    this.#survivors.forget(schedule);
  }
}
