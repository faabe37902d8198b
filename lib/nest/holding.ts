import { ObjectSearch } from './decorations.js';

type IsIt = (value: unknown) => boolean;

/** Works like `anyHolds`, but also recognizes the object behind proxies. */
export function holdsDecorated(holders: readonly object[], candidate: object): boolean {
  const search = new ObjectSearch(candidate);
  try {
    return anyHolds(holders, (value) => search.finds(value));
  } finally {
    search.end();
  }
}

/** Returns true if one of the holders is the object that `isIt` accepts, or keeps it in a property, a `Map` or a plain object. */
export function anyHolds(holders: readonly object[], isIt: IsIt): boolean {
  return holders.some((holder) => isIt(holder) || handsSafely(holder, isIt));
}

/** The maximum size of a searched map. A larger one is probably a cache, and searching it on every tick would take too long. */
const LARGEST_MAP = 1_000;

/** Ignores proxies that throw outside their context, such as those from nestjs-cls. */
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
