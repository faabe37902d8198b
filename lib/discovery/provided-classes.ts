import { kindOf, type NestModule, type NestWrapper } from '../nest/index.js';

/** Returns the class of a provider: its own, or the token of a factory or value if that token is a class. An alias has none. */
export function classOf(wrapper: NestWrapper): Function | undefined {
  const kind = kindOf(wrapper);
  if (kind === 'alias') return undefined;
  if (kind === 'class') return wrapper.metatype!;
  return typeof wrapper.token === 'function' ? wrapper.token : undefined;
}

/** Lists the providers and controllers that have a class, once for each module that has them. */
export function* providedClasses(modules: Iterable<NestModule>): Generator<{
  readonly ownerClass: Function;
  readonly wrapper: NestWrapper;
  readonly module: NestModule;
}> {
  for (const module of modules) {
    for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
      const ownerClass = classOf(wrapper);
      if (ownerClass !== undefined) yield { ownerClass, wrapper, module };
    }
  }
}
