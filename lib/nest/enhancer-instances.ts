import { ModuleRef } from '@nestjs/core';
import type { Declared, EnhancerKind } from './enhancer-metadata.js';
import type {
  ContextId,
  NestInjector,
  NestInstanceHost,
  NestModule,
  NestWrapper,
  OpenModuleRef,
} from './nest-types.js';
import { isSingleton } from './provider-kind.js';
import { getOrAdd } from '../util/values.js';

/** The parts of Nest's `InstanceWrapper`, `Module` and `Injector` that this file reads; the same from 11.0.0 to 12.5.1. */
interface OpenWrapper extends NestWrapper {
  getInstanceByContextId(contextId: ContextId, inquirerId: string): NestInstanceHost;
}
interface OpenModule extends NestModule {
  addInjectable?(type: Function, kind: EnhancerKind): unknown;
}
interface OpenInjector extends NestInjector {
  loadPrototype?(wrapper: NestWrapper, collection: Map<unknown, NestWrapper>): void;
  loadInjectable?(wrapper: NestWrapper, module: NestModule): Promise<void>;
}

/** The method that each kind of enhancer has. */
const METHODS: Readonly<Record<EnhancerKind, string>> = {
  guard: 'canActivate',
  interceptor: 'intercept',
  pipe: 'transform',
  filter: 'catch',
};

/** A call to a handler that needs enhancers. */
export interface EnhancedCall {
  readonly worker: NestWrapper;
  readonly scope: { readonly contextId: ContextId };
}

/**
 * Finds or builds the instances of enhancers under a context id. Nest's own context creators leave out a guard without an
 * instance. Here, a missing instance is an error, because the handler would otherwise run without its guard.
 */
export class EnhancerInstances {
  readonly #added = new WeakMap<NestModule, Map<Function, Promise<NestWrapper>>>();

  /** Returns the enhancer that a decorator declares: the declared object itself, or an instance of the class for this call. */
  async of(kind: EnhancerKind, declared: Declared, call: EnhancedCall): Promise<object> {
    if (typeof declared !== 'function') return declared;
    const wrapper = await this.wrapperOf(kind, declared, call.worker.host!);
    const instance = await this.ofWrapper(wrapper, call);
    for (const candidate of [instance, declared]) {
      if (hasMethod(candidate, METHODS[kind])) return candidate;
    }
    throw new TypeError(
      `${declared.name} is used as one of the ${kind}s, but it has no method ${METHODS[kind]}.`,
    );
  }

  /**
   * Returns the instance of a provider for this call. Nest loads enhancers together with the class that uses them. The exceptions
   * are the enhancers of an instance from a factory, and the global enhancers of a class that isn't a controller.
   */
  async ofWrapper(wrapper: NestWrapper, { worker, scope }: EnhancedCall): Promise<unknown> {
    const { contextId } = scope;
    if (isSingleton(wrapper)) return wrapper.instance;
    if (wrapper.isTransient || contextId.getParent === undefined) {
      const host = (wrapper as OpenWrapper).getInstanceByContextId(contextId, worker.id);
      if (host.isResolved === true) return host.instance;
    }
    const module = wrapper.host!;
    const prototypeHost = wrapper.instance ?? { constructor: wrapper.token };
    return injectorOf(module).loadPerContext(
      prototypeHost,
      module,
      module.injectables,
      contextId,
      wrapper,
    );
  }

  private wrapperOf(
    kind: EnhancerKind,
    type: Function,
    module: NestModule,
  ): NestWrapper | Promise<NestWrapper> {
    const added = getOrAdd(this.#added, module, () => new Map());
    const known = added.get(type) ?? module.injectables.get(type);
    if (known !== undefined) return known;
    const adding = this.add(kind, type, module).catch((error: unknown) => {
      // The next tick tries again. Also, Nest 11.0 can't read a wrapper whose load has failed.
      added.delete(type);
      module.injectables.delete(type);
      throw error;
    });
    added.set(type, adding);
    return adding;
  }

  /**
   * Adds a class to the injectables of a module. Nest does so while it scans the classes that modules provide. Nest doesn't see a
   * class behind a factory or, before 11.2, behind `useClass`. Loads the class as Nest does on start-up: first the prototype, then
   * the instance or, for a scoped class, only the dependencies.
   */
  private async add(kind: EnhancerKind, type: Function, module: OpenModule): Promise<NestWrapper> {
    const injector = injectorOf(module);
    if (!module.addInjectable || !injector.loadPrototype || !injector.loadInjectable)
      throw new Error(
        `Cannot build ${type.name}: this version of @nestjs/core is not supported. Install a version of Nest that nestjs-scoped-worker supports.`,
      );
    module.addInjectable(type, kind);
    injector.loadPrototype(module.injectables.get(type)!, module.injectables);
    const wrapper = module.injectables.get(type)!; // again, because Nest 11.0 replaces it
    await injector.loadInjectable(wrapper, module);
    return wrapper;
  }
}

function injectorOf(module: NestModule): OpenInjector {
  return (module.providers.get(ModuleRef)!.instance as OpenModuleRef).injector as OpenInjector;
}

function hasMethod(candidate: unknown, method: string): candidate is object {
  return typeof (candidate as Record<string, unknown> | null | undefined)?.[method] === 'function';
}
