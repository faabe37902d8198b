import type { NestWrapper, OpenContainer } from './nest-types.js';

export function isFactory(wrapper: NestWrapper): boolean {
  return wrapper.inject !== null && wrapper.inject !== undefined;
}

/** Returns true if one instance of the provider serves the whole application. */
export function isSingleton(wrapper: NestWrapper): boolean {
  return wrapper.isDependencyTreeStatic() && !wrapper.isTransient;
}

/** The way in which Nest creates a provider. */
export type ProviderKind = 'class' | 'factory' | 'value' | 'alias';

export function kindOf(wrapper: NestWrapper): ProviderKind {
  if (wrapper.isAlias === true) return 'alias';
  if (isFactory(wrapper)) return 'factory';
  return typeof wrapper.metatype === 'function' ? 'class' : 'value';
}

/** Returns true if the provider is registered with `useValue`, so Nest doesn't build it. */
export function isReadyMade(wrapper: NestWrapper): boolean {
  return kindOf(wrapper) === 'value';
}

/** Returns true in Nest's preview mode, which calls no constructor and no factory. */
export function isPreviewed({ host }: NestWrapper): boolean {
  const { container } = (host ?? {}) as { readonly container?: OpenContainer };
  return container?._contextOptions?.preview === true;
}
