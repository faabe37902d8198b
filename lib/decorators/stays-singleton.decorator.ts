import 'reflect-metadata';

const STAYS_SINGLETON = Symbol.for('nestjs-scoped-worker:stays-singleton');

/**
 * Says of a class that it must stay a singleton: a pool, a client, a cache. When one of its dependencies is request-scoped,
 * directly or through others, Nest would build it anew for every scope; start-up then stops with the way to that dependency
 * (`singleton-rebuilt`, SW201). It changes nothing else, and does not make the class a provider.
 *
 * @publicApi
 */
export function StaysSingleton(): ClassDecorator {
  return (target) => Reflect.defineMetadata(STAYS_SINGLETON, true, target);
}

/** Of the class itself: a subclass that has other dependencies says it again. */
export function staysSingleton(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getOwnMetadata(STAYS_SINGLETON, type) === true;
}
