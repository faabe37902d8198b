import type { LeakFound } from '../events/event-map.js';
import { SurvivorCounts, type Origin } from './survivor-counts.js';

/** A note about an instance; the note doesn't keep the instance alive. */
export interface FollowedInstance {
  readonly ref: WeakRef<object>;
  readonly className: string;
  /** True if a factory returned the instance, which might then be an object that no scope owns. */
  readonly isMade?: boolean;
}

/** A closed scope, whose instances should become unreachable. */
export interface EndedScope {
  readonly origin: Origin;
  /** A `performance.now()` timestamp. */
  readonly endedAt: number;
  readonly instances: readonly FollowedInstance[];
}

/** The maximum number of instances followed at a time: about 10 MB of notes. */
const MOST_FOLLOWED = 100_000;

/**
 * Keeps closed scopes until enough garbage collections have passed, and finds the instances that survived them.
 *
 * Each `WeakRef` is dereferenced once, when its scope is due. An earlier `deref()` would keep the instance alive if a collection
 * were marking at that moment.
 */
export class SurvivorFinder {
  /** The scopes that aren't due yet, in the order in which they closed. */
  #waiting: EndedScope[] = [];
  #waitingCount = 0;
  #survivors = new SurvivorCounts();
  /** Maps an object from a factory to the first scope that it was built for. */
  readonly #takers = new WeakMap<object, object>();
  /** Objects that no scope owns, because factories returned them to several scopes. */
  readonly #lent = new WeakSet<object>();

  constructor(
    private readonly graceMs: number,
    /** Returns true for an object that a static provider holds, and that a factory therefore merely passes on. */
    private readonly isHeld: (instance: object) => boolean = () => false,
  ) {}

  get isFull(): boolean {
    return this.#waitingCount + this.#survivors.count >= MOST_FOLLOWED;
  }

  /**
   * Notes that a factory returned an object to a scope, whether or not that scope is sampled.
   *
   * @param scope kept as long as the object lives, so it must not reference instances.
   * @returns false if the object was returned before, either for another token of this scope or to an earlier scope.
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
   * Checks the scopes that are due. Must run in its own JavaScript job, because a dereferenced instance stays alive until that job
   * finishes.
   *
   * @param enoughSince the moment when the third-to-last full collection began.
   * @returns the leaks to report.
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
        // Checked here, because few objects survive, and searching all static providers takes time.
        if (isMade && this.isHeld(instance)) continue;
        this.#survivors.add(instance, className, origin, endedAt);
      }
    }
    if (due > 0) this.#waiting = this.#waiting.slice(due);
    return this.#survivors.news(now);
  }

  /** Drops a removed schedule, whose leaks are no longer reported. */
  forget(schedule: string): void {
    this.#waiting = this.#waiting.filter(({ origin }) => origin.schedule !== schedule);
    this.#waitingCount = this.#waiting.reduce((sum, { instances }) => sum + instances.length, 0);
    this.#survivors.forget(schedule);
  }
}
