import { isSingleton, kindOf, type NestModule, type NestWrapper } from '../nest/index.js';
import { readMember } from '../util/values.js';

/** Returns the class of a provider: its own, or the token of a factory or value if that token is a class. An alias has none. */
export function classOf(wrapper: NestWrapper): Function | undefined {
  const kind = kindOf(wrapper);
  if (kind === 'alias') return undefined;
  if (kind === 'class') return wrapper.metatype!;
  return typeof wrapper.token === 'function' ? wrapper.token : undefined;
}

/**
 * Returns the class of the object that a provider has or will have; undefined if that class isn't known, as for a factory that
 * hasn't run, or for a value that isn't an object.
 */
export function classOfInstance(wrapper: NestWrapper): Function | undefined {
  if (kindOf(wrapper) === 'class' || !isSingleton(wrapper)) return classOf(wrapper);
  const { instance } = wrapper;
  if (typeof instance !== 'object' || instance === null || wrapper.isAlias === true)
    return undefined;
  const prototype = prototypeOf(instance);
  const found = prototype && readMember(prototype, 'constructor');
  return typeof found === 'function' ? found : undefined;
}

/** Returns the prototype; undefined if the object has none, or is a proxy that refuses to show it. */
function prototypeOf(instance: object): object | undefined {
  try {
    return (Object.getPrototypeOf(instance) as object | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Lists the providers and controllers that have a class, once for each module that has them. */
export function* providedClasses(
  modules: Iterable<NestModule>,
  ofProvider: (wrapper: NestWrapper) => Function | undefined = classOf,
): Generator<{
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
  readonly module: NestModule;
}> {
  for (const module of modules) {
    for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
      const ownerClass = ofProvider(wrapper);
      if (ownerClass !== undefined) yield { ownerClass, wrapper, module };
    }
  }
}
