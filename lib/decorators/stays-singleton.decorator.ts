import 'reflect-metadata';

const STAYS_SINGLETON = Symbol.for('nestjs-scoped-worker:stays-singleton');

/**
 * Declares that a class must stay a singleton: a pool, a client, a cache. If one of its dependencies is request-scoped, directly
 * or through others, Nest would build the class again for every scope. Start-up then fails with the path to that dependency
 * (`singleton-rebuilt`, SW201). The decorator has no other effect, and doesn't make the class a provider.
 *
 * @publicApi
 */
export function StaysSingleton(): ClassDecorator {
  return (target) => Reflect.defineMetadata(STAYS_SINGLETON, true, target);
}

/** True if the class itself has the decorator. A subclass doesn't inherit it, because it may have other dependencies. */
export function staysSingleton(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getOwnMetadata(STAYS_SINGLETON, type) === true;
}
