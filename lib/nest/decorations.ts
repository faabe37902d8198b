import { types } from 'node:util';
import type { NestInjector } from './nest-types.js';

/** By what an `instanceDecorator` returned: what it was given. */
const decorations = new WeakMap<object, object>();

const watched = new WeakSet<NestInjector>();

/**
 * Remembers what an injector decorates, so that `bare()` leads back.
 *
 * `Injector#instanceDecorator` (from 11.1 on) is what `NestFactory.create(..., { instrument: { instanceDecorator } })` was
 * given, or the identity. Nest calls it with each instance that a constructor or factory has made. What is decorated
 * elsewhere (singletons, by an injector that nobody can reach, and values, by their module) is recognised by `isSameObject()`.
 */
export function watchDecorations(injector: NestInjector): void {
  const decorate = injector.instanceDecorator;
  if (typeof decorate !== 'function' || watched.has(injector)) return;
  watched.add(injector);
  injector.instanceDecorator = (instance) => {
    const decorated = decorate(instance);
    // A decorator that takes its own proxy off must not lead in a circle.
    if (isObject(instance) && isObject(decorated) && bare(instance) !== bare(decorated))
      decorations.set(decorated, instance);
    return decorated;
  };
}

/** The object that was built, behind all decorations that are known of; anything else as it is. */
export function bare<T>(value: T): T {
  let object: unknown = value;
  while (isObject(object)) {
    const behind = decorations.get(object);
    if (behind === undefined) break;
    object = behind;
  }
  return object as T;
}

/** A copy with the own properties as they are: read through a decoration, functions are other ones each time. */
export function bareProperties<T extends object>(decorated: T): T {
  const entries = Object.entries(Object.getOwnPropertyDescriptors(decorated))
    .filter(([, { enumerable }]) => enumerable === true)
    .map(
      ([key, { get, value }]) => [key, get === undefined ? value : get.call(decorated)] as const,
    );
  return Object.fromEntries(entries) as T;
}

/** True for one object, and for two of which one is a proxy of the other, or both are proxies of a third. */
export function isSameObject(left: object, right: object): boolean {
  const search = new ObjectSearch(left);
  try {
    return search.finds(right);
  } finally {
    search.end();
  }
}

/** True for a factory's result that was injected into it: it made nothing, and is an alias by another name. */
export function handsOn(made: unknown, injected: readonly unknown[]): boolean {
  const own = bare(made);
  if (injected.some((value) => bare(value) === own)) return true;
  if (own === made) return false; // not decorated, so nothing injected is a proxy of it
  return injected.some((value) => isObject(value) && isSameObject(own as object, value));
}

const MARK = Symbol('nestjs-scoped-worker:mark');

/**
 * Recognises an object behind proxies whose target is not known. It gets a hidden property for the length of the search,
 * which is seen through every proxy that does not hide the properties of its target. To be ended before anybody else
 * runs; an object that cannot be extended is recognised by its identity only.
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
      return false; // a proxy that does not like to be looked at (as those of nestjs-cls)
    }
  }

  end(): void {
    if (this.#isMarked === true) Reflect.deleteProperty(this.#object, MARK);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
