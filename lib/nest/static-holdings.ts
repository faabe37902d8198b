import { ModuleRef } from '@nestjs/core';
import { anyHolds, holdsDecorated } from './holding.js';
import type { NestInside } from './nest-inside.js';
import { isReadyMade, isSingleton } from './provider-kind.js';

/**
 * Finds out whether a static provider holds an object: as its instance, or in an own property of that instance. Also looks inside a
 * `Map` or plain object in such a property, which may hold one pool for each tenant.
 *
 * Skips maps of more than 1,000 entries. Skips arrays and sets, in which providers often track objects that others own. Cannot
 * read private `#fields` or closures; `shared()` is for objects held there.
 *
 * In an application with an `instanceDecorator`, instances may be proxies, and so may the objects that they hold. The search
 * recognizes these proxies.
 */
export class StaticHoldings {
  #instances: object[] = [];
  /** The number of modules that the instances come from; undefined until all instances are built. */
  #known: number | undefined;

  constructor(private readonly nest: NestInside) {}

  holds(candidate: object): boolean {
    const instances = this.instances();
    if (!this.nest.isDecorated) return anyHolds(instances, (value) => value === candidate);
    return holdsDecorated(instances, candidate);
  }

  /** Returns the instances. Caches them unless Nest is still building some, at start-up or for a lazily loaded module. */
  private instances(): object[] {
    if (this.#known === this.nest.modules.size) return this.#instances;
    const instances = new Set<object>();
    let areBuilt = true;
    for (const { wrapper } of this.nest.wrappers()) {
      if (!isSingleton(wrapper)) continue;
      areBuilt &&=
        wrapper.initTime !== undefined || isReadyMade(wrapper) || wrapper.token === ModuleRef;
      const { instance } = wrapper;
      if (typeof instance === 'object' && instance !== null) instances.add(instance);
    }
    this.#instances = [...instances];
    this.#known = areBuilt ? this.nest.modules.size : undefined;
    return this.#instances;
  }
}
