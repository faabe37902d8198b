import type { NestModule, NestWrapper } from './nest-types.js';

const kept = new WeakSet<NestModule>();

/**
 * Prevents Nest from replacing the providers of a module that has been built. Before 11.2, Nest replaces them if that module, or a
 * module that imports it, is loaded lazily. Nest would then return objects whose constructor it hasn't called.
 */
export function keepProviders(module: NestModule): void {
  if (kept.has(module)) return;
  kept.add(module);
  for (const collection of [module.providers, module.controllers]) {
    const set = collection.set.bind(collection);
    collection.set = (token, wrapper) => (collection.has(token) ? collection : set(token, wrapper));
    for (const wrapper of collection.values()) addEachEnhancerOnce(wrapper);
  }
}

/** Prevents further loads from listing the guards and other enhancers of a kept provider again. */
function addEachEnhancerOnce(wrapper: NestWrapper): void {
  const add = wrapper.addEnhancerMetadata.bind(wrapper);
  wrapper.addEnhancerMetadata = (enhancer) => {
    const isListed = wrapper
      .getEnhancersMetadata()
      ?.some(({ token, host }) => token === enhancer.token && host === enhancer.host);
    if (isListed !== true) add(enhancer);
  };
}

/**
 * Keeps the instances of a module readable if its load fails. Nest 11.0.0 to 11.0.10 keeps the module in the application, but
 * removes the entry of each failed provider. Reading the `instance` of such a provider would recurse until the stack overflows.
 */
export function keepReadable({ providers, injectables, controllers }: NestModule): void {
  for (const collection of [providers, injectables, controllers]) {
    for (const wrapper of collection.values()) {
      const remove = wrapper.removeInstanceByContextId.bind(wrapper);
      wrapper.removeInstanceByContextId = (...given) => {
        remove(...given);
        try {
          void wrapper.instance;
        } catch {
          Object.assign(wrapper, { instance: undefined }); // creates the entry
        }
      };
    }
  }
}
