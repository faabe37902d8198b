import { types } from 'node:util';
import { isObject } from '../util/values.js';
import type { NestInjector } from './nest-types.js';

/** Maps the result of an `instanceDecorator` to its argument. */
const decorations = new WeakMap<object, object>();

/** False in most applications, so that `bare()`, which runs several times for each instance, can skip the lookup. */
let hasDecorations = false;

const watched = new WeakSet<NestInjector>();

/**
 * Remembers the instances that an injector decorates, so that `bare()` can find them.
 *
 * `Injector#instanceDecorator` (11.1 and later) is the one that `NestFactory.create(..., { instrument: { instanceDecorator } })`
 * received, or the identity function. Nest calls it with each instance that a constructor or factory has created. `isSameObject()`
 * recognizes instances that are decorated elsewhere: singletons (by an unreachable injector) and values (by their module).
 */
export function watchDecorations(injector: NestInjector): void {
  const decorate = injector.instanceDecorator;
  if (typeof decorate !== 'function' || watched.has(injector)) return;
  watched.add(injector);
  injector.instanceDecorator = (instance) => {
    const decorated = decorate(instance);
    // A decorator that unwraps its own proxy must not cause a cycle.
    if (isObject(instance) && isObject(decorated) && bare(instance) !== bare(decorated)) {
      decorations.set(decorated, instance);
      hasDecorations = true;
    }
    return decorated;
  };
}

/** Returns the object behind all known decorations, and any other value unchanged. */
export function bare<T>(value: T): T {
  if (!hasDecorations) return value;
  let object: unknown = value;
  while (isObject(object)) {
    const behind = decorations.get(object);
    if (behind === undefined) break;
    object = behind;
  }
  return object as T;
}

/**
 * Returns an undecorated copy of an object's own properties, because a function that is read through a decoration differs on each
 * read.
 */
export function bareProperties<T extends object>(decorated: T): T {
  const entries = Object.entries(Object.getOwnPropertyDescriptors(decorated))
    .filter(([, { enumerable }]) => enumerable === true)
    .map(
      ([key, { get, value }]) => [key, get === undefined ? value : get.call(decorated)] as const,
    );
  return Object.fromEntries(entries) as T;
}

/** Returns true if both are the same object, one is a proxy of the other, or both are proxies of a third object. */
export function isSameObject(left: object, right: object): boolean {
  const search = new ObjectSearch(left);
  try {
    return search.finds(right);
  } finally {
    search.end();
  }
}

/**
 * Returns true if a factory returned an object that was injected into it: such a factory doesn't create anything, and acts as an
 * alias.
 */
export function handsOn(made: unknown, injected: readonly unknown[]): boolean {
  const own = bare(made);
  if (injected.some((value) => bare(value) === own)) return true;
  if (own === made) return false; // not decorated, so no injected object is a proxy of it
  return injected.some((value) => isObject(value) && isSameObject(own as object, value));
}

const MARK = Symbol('nestjs-scoped-worker:mark');

/**
 * Recognizes an object behind proxies whose target isn't known. During the search, the object has a hidden property, which is
 * visible through every proxy that doesn't hide the properties of its target. End the search before other code runs. A
 * non-extensible object is recognized only by its identity.
 */
export class ObjectSearch {
  readonly #object: object;
  #isMarked: boolean | undefined;

  constructor(object: object) {
    this.#object = bare(object);
  }

  finds(value: unknown): boolean {
    if (!isObject(value)) return false;
    const other = bare(value);
    if (other === this.#object) return true;
    if (!types.isProxy(other) && !types.isProxy(this.#object)) return false;
    try {
      this.#isMarked ??= Reflect.defineProperty(this.#object, MARK, { configurable: true });
      return this.#isMarked && Object.hasOwn(other, MARK);
    } catch {
      return false; // a proxy that throws on inspection (such as a proxy from nestjs-cls)
    }
  }

  end(): void {
    if (this.#isMarked === true) Reflect.deleteProperty(this.#object, MARK);
  }
}
