import { isFactory, type NestWrapper } from '../nest/index.js';

/** Returns the class of a provider: its own, or the token of a factory or value. An alias has none. */
export function classOf(wrapper: NestWrapper): Function | undefined {
  if (wrapper.isAlias) return undefined;
  if (isClassProvider(wrapper)) return wrapper.metatype!;
  return typeof wrapper.token === 'function' ? wrapper.token : undefined;
}

/** True for a provider that Nest builds with a constructor. */
export function isClassProvider(wrapper: NestWrapper): boolean {
  return typeof wrapper.metatype === 'function' && !isFactory(wrapper);
}
