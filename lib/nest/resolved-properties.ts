import { getOrAdd } from '../util/values.js';
import { contextIdOf, observerOf } from './context-id.js';
import type { ContextId, NestInjector, NestProperty, NestWrapper } from './nest-types.js';

/**
 * The values for property injection, kept until the instance is built. Nest injects these values after `instantiateClass`, but
 * `onScopeInit` runs inside that call and must see them.
 *
 * Several instances of one transient provider may be under construction in one context. Their values are stored and taken in order.
 */
const resolved = new WeakMap<ContextId, Map<NestWrapper, NestProperty[][]>>();

/** Providers that have no injected properties. */
const withoutProperties = new WeakSet<NestWrapper>();

/** The provider that a transient is built for, by the resolution context of that build. */
const inquirers = new WeakMap<object, NestWrapper | undefined>();

/** Keeps what an injector resolves for the properties of an instance, and the provider that a transient is built for. */
export function watchProperties(injector: NestInjector): void {
  const { resolveProperties } = injector;
  injector.resolveProperties = function (this: NestInjector, ...args: unknown[]) {
    const [wrapper, , , context, inquirer] = args as [NestWrapper, ...unknown[]];
    const contextId = contextIdOf(context)!;
    const observer = observerOf(contextId);
    // `ModuleRef.create()` uses its own wrapper without a token, and calls the constructor after this method.
    const refusal = wrapper.token === undefined ? observer?.refusalOf(wrapper) : undefined;
    if (refusal !== undefined) return Promise.reject(refusal);
    const properties = resolveProperties.apply(this, args);
    if (observer === undefined) return properties;
    // From Nest 11.1.24 on, the context of a transient has only the id of its inquirer.
    if (wrapper.isTransient && contextId !== context)
      inquirers.set(context as object, inquirer as NestWrapper | undefined);
    if (withoutProperties.has(wrapper)) return properties;
    return properties.then((values) => {
      const byWrapper = getOrAdd(resolved, contextId, () => new Map());
      if (values.length === 0) withoutProperties.add(wrapper);
      else getOrAdd(byWrapper, wrapper, () => []).push(values);
      return values;
    });
  };
}

export function takeProperties(contextId: ContextId, wrapper: NestWrapper): NestProperty[] {
  return resolved.get(contextId)?.get(wrapper)?.shift() ?? [];
}

/** Injects the properties, and empties the list, so that Nest doesn't overwrite values that `onScopeInit` has set. */
export function injectEarly(instance: unknown, properties: NestProperty[]): void {
  for (const { key, instance: value } of properties.splice(0)) injectProperty(instance, key, value);
}

/** Sets an injected property as Nest does: not on a function, and not if an optional dependency is missing. */
export function injectProperty(instance: unknown, key: PropertyKey, value: unknown): void {
  if (typeof instance === 'object' && value !== undefined && value !== null)
    (instance as Record<PropertyKey, unknown>)[key] = value;
}

/** Returns the provider that a transient is built for: up to Nest 11.1.19, the fifth argument of `Injector#instantiateClass`. */
export function inquirerOf([, , , context, inquirer]: readonly unknown[]): NestWrapper | undefined {
  return contextIdOf(context) === context
    ? (inquirer as NestWrapper | undefined)
    : inquirers.get(context as object);
}
