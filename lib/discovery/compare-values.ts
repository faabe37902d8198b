import { isDeepStrictEqual, types } from 'node:util';
import { isObject } from '../util/values.js';

type Verdict = 'same' | 'different' | 'unknown';

/** The nesting depth up to which values are compared. */
const MAX_DEPTH = 8;

/** Classes whose instances are compared as text. On Node 20, `isDeepStrictEqual` considers all `URLSearchParams` equal. */
const TEXTUAL: readonly { readonly prototype: object }[] = [URL, URLSearchParams];

/**
 * Compares plain data and the platform's value objects by content. Functions, and instances of the application's classes,
 * can't be compared, because they may have hidden state.
 */
export function compareValues(one: unknown, other: unknown): Verdict {
  try {
    return compared(one, other, 0);
  } catch {
    return 'unknown'; // a proxy that throws on inspection, as those from nestjs-cls do, or a getter that throws
  }
}

function compared(one: unknown, other: unknown, depth: number): Verdict {
  if (Object.is(one, other)) return 'same';
  if (typeof one !== typeof other || !isObject(one) || !isObject(other)) return 'different';
  if (typeof one === 'function' || depth > MAX_DEPTH) return 'unknown';
  const kind = kindOf(one);
  if (kind !== kindOf(other)) return 'different';
  if (kind === 'other') return 'unknown';
  if (kind === 'comparable') return isDeepStrictEqual(one, other) ? 'same' : 'different';
  if (kind === 'textual')
    return (one as URL).toString() === (other as URL).toString() ? 'same' : 'different';
  const own = entriesCompared(propertiesOf(one), propertiesOf(other), depth);
  if (kind === 'plain' || own === 'different') return own;
  // A set has the same entries as a map from each value to itself.
  const [entries, others] = [one, other].map((value) => new Map((value as MapOfAny).entries()));
  const inOrder = isDeepStrictEqual([...entries!.keys()], [...others!.keys()]);
  const content = inOrder ? entriesCompared(entries!, others!, depth) : 'different';
  return content === 'same' ? own : content;
}

type MapOfAny = ReadonlyMap<unknown, unknown>;

/** Returns all own properties, including symbol-keyed and non-enumerable ones. */
function propertiesOf(value: object): MapOfAny {
  return new Map(Reflect.ownKeys(value).map((key) => [key, Reflect.get(value, key) as unknown]));
}

function entriesCompared(one: MapOfAny, other: MapOfAny, depth: number): Verdict {
  if (one.size !== other.size) return 'different';
  let verdict: Verdict = 'same';
  for (const [key, value] of one) {
    // The other map may have an equal object as a key.
    const missing = isObject(key) ? 'unknown' : 'different';
    const found = other.has(key) ? compared(value, other.get(key), depth + 1) : missing;
    if (found === 'different') return found;
    if (found === 'unknown') verdict = found;
  }
  return verdict;
}

/**
 * Returns the kind of an object. An instance of a subclass of `Map`, `Set`, `URL` or `URLSearchParams` is of the kind `other`,
 * because it may have hidden state. A date is recognized even if it comes from another realm or a fake clock.
 */
function kindOf(value: object): 'plain' | 'map' | 'set' | 'comparable' | 'textual' | 'other' {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null || Array.isArray(value)) return 'plain';
  if (prototype === Map.prototype) return 'map';
  if (prototype === Set.prototype) return 'set';
  if (types.isDate(value) || types.isRegExp(value) || types.isUint8Array(value))
    return 'comparable';
  return TEXTUAL.some((type) => type.prototype === prototype) ? 'textual' : 'other';
}
