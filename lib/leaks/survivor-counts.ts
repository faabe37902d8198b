import type { LeakFound } from '../events/event-map.js';
import { isFactory, type NestWrapper } from '../nest/index.js';
import { getOrAdd, readMember } from '../util/values.js';

/** The scope that an instance was built for. */
export interface Origin {
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  readonly scopeId: string;
  readonly place: string | undefined;
}

interface Survivor {
  readonly origin: Origin;
  readonly endedAt: number;
  readonly group: Group;
}

interface Group {
  readonly schedule: string | undefined;
  readonly className: string;
  /** The survivors that are still alive, oldest first. */
  readonly alive: Set<Survivor>;
  /** The count in the last report. */
  reported: number;
}

/**
 * Counts the instances that have outlived their scope, by class and schedule, until they are collected. `SurvivorFinder.sweep()`
 * finds these instances.
 *
 * Uses a `FinalizationRegistry`, because dereferencing a `WeakRef` repeatedly would keep the object alive through each collection
 * that is marking at that moment.
 */
export class SurvivorCounts {
  readonly #groups = new Map<string, Group>();
  readonly #deaths = new FinalizationRegistry<Survivor>((survivor) => {
    if (survivor.group.alive.delete(survivor)) this.#count -= 1;
  });
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(instance: object, className: string, origin: Origin, endedAt: number): void {
    const group = this.groupOf(origin.schedule, className);
    const survivor: Survivor = { origin, endedAt, group };
    group.alive.add(survivor);
    this.#count += 1;
    this.#deaths.register(instance, survivor);
  }

  /** Returns the groups to report: new ones, and those whose count has doubled since their last report. */
  news(now: number): LeakFound[] {
    const found: LeakFound[] = [];
    for (const group of this.#groups.values()) {
      const { schedule, className, alive, reported } = group;
      if (alive.size === 0 || alive.size < reported * 2) continue;
      group.reported = alive.size;
      const [oldest] = alive;
      const { origin, endedAt } = oldest!;
      const { tickId, scopeId, place } = origin;
      const ageMs = now - endedAt;
      found.push({ schedule, className, count: alive.size, tickId, scopeId, ageMs, place });
    }
    return found;
  }

  forget(schedule: string): void {
    for (const [key, group] of this.#groups) {
      if (group.schedule !== schedule) continue;
      this.#groups.delete(key);
      this.#count -= group.alive.size;
      group.alive.clear();
    }
  }

  /**
   * Returns the existing group even if all its instances have been collected, so that a cache of one entry isn't reported on every
   * tick.
   */
  private groupOf(schedule: string | undefined, className: string): Group {
    const key = JSON.stringify([schedule ?? null, className]);
    return getOrAdd(this.#groups, key, () => ({
      schedule,
      className,
      alive: new Set(),
      reported: 0,
    }));
  }
}

/** Returns the name for an instance in reports: its class, or the provider's token for a plain object from a factory. */
export function classNameOf(instance: object, wrapper: NestWrapper): string {
  if (!isFactory(wrapper) && wrapper.metatype) return wrapper.metatype.name;
  const { name } = (readMember(instance, 'constructor') ?? {}) as { name?: unknown };
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : String(wrapper.name);
}
