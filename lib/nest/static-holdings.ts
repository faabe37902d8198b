import type { NestInside } from './nest-inside.js';

/**
 * Answers whether a static provider holds an object: it is the provider's instance, a value of one of
 * its own properties, or an entry of a `Map` or plain object kept there (a pool for each tenant, say).
 *
 * Arrays and sets are not read: they are how a provider counts what others own. Private `#fields` and
 * closures cannot be read; `shared()` is for these.
 */
export class StaticHoldings {
  #instances: object[] = [];
  #known: unknown;

  constructor(private readonly nest: NestInside) {}

  holds(candidate: object): boolean {
    return this.instances().some((holder) => holder === candidate || hands(holder, candidate, 2));
  }

  /** Static instances are final once start-up is complete, save for modules that are loaded lazily. */
  private instances(): object[] {
    if (this.#known === this.nest.modules.size) return this.#instances;
    const instances = new Set<object>();
    let complete = true;
    for (const { wrapper } of this.nest.wrappers()) {
      if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) continue;
      const instance = wrapper.instance;
      if (typeof instance === 'object' && instance !== null) instances.add(instance);
      else if (instance === null || instance === undefined) complete = false;
    }
    this.#instances = [...instances];
    this.#known = complete ? this.nest.modules.size : undefined;
    return this.#instances;
  }
}

function hands(holder: object, candidate: object, depth: number): boolean {
  if (holder instanceof Map) {
    for (const value of holder.values()) if (value === candidate) return true;
    return false;
  }
  for (const key of Object.keys(holder)) {
    const value: unknown = Object.getOwnPropertyDescriptor(holder, key)?.value;
    if (value === candidate) return true;
    if (depth > 1 && isDictionary(value) && hands(value, candidate, depth - 1)) return true;
  }
  return false;
}

function isDictionary(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof Map) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
