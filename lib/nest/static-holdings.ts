import { ObjectSearch } from './decorations.js';
import type { NestInside } from './nest-inside.js';

/**
 * Answers whether a static provider holds an object: it is the provider's instance, a value of one of
 * its own properties, or an entry of a `Map` or plain object kept there (a pool for each tenant, say).
 *
 * Maps of more than 1,000 entries are not read, and neither are arrays and sets: the latter are how a provider counts what others own. Private `#fields` and
 * closures cannot be read; `shared()` is for these.
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

type IsIt = (value: unknown) => boolean;

/** Answers whether one of the holders holds an object, as `StaticHoldings` does, also behind proxies. */
export function holdsDecorated(holders: readonly object[], candidate: object): boolean {
  const search = new ObjectSearch(candidate);
  try {
    return anyHolds(holders, (value) => search.finds(value));
  } finally {
    search.end();
  }
}

function anyHolds(holders: readonly object[], isIt: IsIt): boolean {
  return holders.some((holder) => isIt(holder) || handsSafely(holder, isIt));
}

/** A larger map is a cache of data: looking through it on every tick would cost more than the tick. */
const LARGEST_MAP = 1_000;

/** A proxy may throw when it is looked at outside of its own context (as those of nestjs-cls): it hands out nothing here. */
function handsSafely(holder: object, isIt: IsIt): boolean {
  try {
    return hands(holder, isIt, 2);
  } catch {
    return false;
  }
}

function hands(holder: object, isIt: IsIt, depth: number): boolean {
  if (holder instanceof Map) {
    if (holder.size > LARGEST_MAP) return false;
    for (const value of holder.values()) if (isIt(value)) return true;
    return false;
  }
  for (const key of Object.keys(holder)) {
    const value: unknown = Object.getOwnPropertyDescriptor(holder, key)?.value;
    if (isIt(value)) return true;
    if (depth > 1 && isDictionary(value) && hands(value, isIt, depth - 1)) return true;
  }
  return false;
}

function isDictionary(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof Map) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
