import type { LeakFound } from '../events/event-map.js';
import { Survivors, type Origin } from './survivors.js';

/** What is kept of an instance: nothing that keeps it alive. */
export interface FollowedInstance {
  readonly ref: WeakRef<object>;
  readonly className: string;
  /** By a factory, which may give what is not its own. */
  readonly isMade?: boolean;
}

/** A closed scope whose instances should die. */
export interface EndedScope {
  readonly origin: Origin;
  /** On the clock of `performance.now()`. */
  readonly endedAt: number;
  readonly instances: readonly FollowedInstance[];
}

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
  /** The scope that a factory's object was built for first. */
  readonly #takers = new WeakMap<object, object>();
  /** Objects that factories return to one scope after the other: no scope owns them. */
  readonly #lent = new WeakSet<object>();

  constructor(
    private readonly graceMs: number,
    /** True for what a static provider holds: of a factory's objects, its own. */
    private readonly isHeld: (instance: object) => boolean = () => false,
  ) {}

  get isFull(): boolean {
    return this.#waitingCount + this.#survivors.count >= MOST_FOLLOWED;
  }

  /**
   * Notes that a factory returned an object to a scope; scopes that are not sampled count too.
   *
   * @param scope is kept as long as the object; it must not lead to instances.
   * @returns false if the object was returned before: for a second token of the scope, or to an earlier scope.
   */
  take(instance: object, scope: object): boolean {
    const taker = this.#takers.get(instance);
    if (taker === undefined) this.#takers.set(instance, scope);
    else if (taker !== scope) this.#lent.add(instance);
    return taker === undefined;
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
