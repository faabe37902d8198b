import { anyHolds, holdsDecorated } from './holding.js';
import type { NestInside } from './nest-inside.js';

/**
 * Answers whether a static provider holds an object: it is the provider's instance, a value of one of
 * its own properties, or an entry of a `Map` or plain object kept there (a pool for each tenant, say).
 *
 * Maps of more than 1,000 entries are not read, and neither are arrays and sets: the latter are how a provider counts what others
 * own. Private `#fields` and closures cannot be read; `shared()` is for these.
 *
 * In an application with an `instanceDecorator`, the instances are proxies, and the objects that they hold may be proxies too.
 * An object is also recognised behind them.
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

  /** Static instances are final once start-up is complete, save for modules that are loaded lazily. */
  private instances(): object[] {
    if (this.nest.isStarted && this.#known === this.nest.modules.size) return this.#instances;
    const instances = new Set<object>();
    for (const { wrapper } of this.nest.wrappers()) {
      if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) continue;
      const { instance } = wrapper;
      if (typeof instance === 'object' && instance !== null) instances.add(instance);
    }
    this.#instances = [...instances];
    this.#known = this.nest.modules.size;
    return this.#instances;
  }
}
