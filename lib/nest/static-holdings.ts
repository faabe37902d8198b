import { anyHolds, holdsDecorated } from './holding.js';
import type { NestInside } from './nest-inside.js';
import { isSingleton } from './provider-kind.js';

/**
 * Finds out whether a static provider holds an object: as its instance, as an own property, or in a `Map` or plain object there,
 * such as one pool for each tenant.
 *
 * Skips maps of more than 1,000 entries. Skips arrays and sets, in which providers often track objects that others own. Cannot
 * read private `#fields` and closures; `shared()` is for these.
 *
 * In an application with an `instanceDecorator`, instances are proxies, and the objects that they hold may be proxies too. The
 * search recognises them too.
 */
export class StaticHoldings {
  #instances: object[] = [];
  #known: unknown;

  constructor(private readonly nest: NestInside) {}

  holds(candidate: object): boolean {
    const instances = this.instances();
    if (!this.nest.isDecorated) return anyHolds(instances, (value) => value === candidate);
    return holdsDecorated(instances, candidate);
  }

  /** Caches the instances once start-up is complete: only lazily loaded modules add more. */
  private instances(): object[] {
    if (this.nest.hasStarted && this.#known === this.nest.modules.size) return this.#instances;
    const instances = new Set<object>();
    for (const { wrapper } of this.nest.wrappers()) {
      if (!isSingleton(wrapper)) continue;
      const { instance } = wrapper;
      if (typeof instance === 'object' && instance !== null) instances.add(instance);
    }
    this.#instances = [...instances];
    this.#known = this.nest.hasStarted ? this.nest.modules.size : undefined;
    return this.#instances;
  }
}
