import type { NestWrapper } from '../nest/index.js';

/** The class that a provider makes: its own, or the token of a factory or value. An alias makes none. */
export function classOf(wrapper: NestWrapper): Function | undefined {
  if (wrapper.isAlias) return undefined;
  const isClass = typeof wrapper.metatype === 'function' && !wrapper.inject;
  if (isClass) return wrapper.metatype!;
  return typeof wrapper.token === 'function' ? wrapper.token : undefined;
}
