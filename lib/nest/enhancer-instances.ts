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

/** What this file reads of Nest's `InstanceWrapper`, `Module` and `Injector`; the same from 11.0.0 to 12.5.1. */
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

/** What each kind is called by. */
const METHODS: Readonly<Record<EnhancerKind, string>> = {
  guard: 'canActivate',
  interceptor: 'intercept',
  pipe: 'transform',
  filter: 'catch',
};

/** For whom enhancers are needed: one call of a handler. */
export interface EnhancedCall {
  readonly worker: NestWrapper;
  readonly contextId: ContextId;
}

/**
 * Gives the instances of enhancers under a context id. Nest's own context creators leave out a guard whose instance
 * they do not find; here that is an error, because the handler would run without it.
 */
export class EnhancerInstances {
  readonly #added = new WeakMap<NestModule, Map<Function, Promise<NestWrapper>>>();

  /** The enhancer that a decorator names: an object as it is, of a class the instance for this call. */
  async of(kind: EnhancerKind, declared: Declared, call: EnhancedCall): Promise<object> {
    if (typeof declared !== 'function') return declared;
    const wrapper = await this.wrapperOf(kind, declared, call.worker.host!);
    const instance = await this.ofWrapper(wrapper, call);
    for (const candidate of [instance, declared]) {
      if (hasMethod(candidate, METHODS[kind])) return candidate;
    }
    throw new TypeError(
      `${declared.name} is used as a ${kind}, but it has no method ${METHODS[kind]}.`,
    );
  }

  /**
   * The instance that a provider has for this call. Nest loads the enhancers of a class together with the class, except for
   * those of a factory, and for global ones when the class is no controller.
   */
  async ofWrapper(wrapper: NestWrapper, { worker, contextId }: EnhancedCall): Promise<unknown> {
    if (!wrapper.isTransient && wrapper.isDependencyTreeStatic()) return wrapper.instance;
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
    const added = this.#added.get(module) ?? new Map<Function, Promise<NestWrapper>>();
    this.#added.set(module, added);
    const known = added.get(type) ?? module.injectables.get(type);
    if (known !== undefined) return known;
    const adding = this.add(kind, type, module).catch((error: unknown) => {
      // The next tick may fare better; and Nest 11.0 cannot read a wrapper whose load has failed.
      added.delete(type);
      module.injectables.delete(type);
      throw error;
    });
    added.set(type, adding);
    return adding;
  }

  /**
   * Makes a class an injectable of a module, which Nest does while it scans the classes that modules provide: it does not see
   * the class behind a factory, and before 11.2 none behind `useClass`. What the application starts with is loaded the
   * same way: prototype first, then the instance, or only its dependencies when they are scoped.
   */
  private async add(kind: EnhancerKind, type: Function, module: OpenModule): Promise<NestWrapper> {
    const injector = injectorOf(module);
    if (!module.addInjectable || !injector.loadPrototype || !injector.loadInjectable)
      throw new Error(`Cannot build ${type.name}: this version of @nestjs/core is not known.`);
    module.addInjectable(type, kind);
    injector.loadPrototype(module.injectables.get(type)!, module.injectables);
    const wrapper = module.injectables.get(type)!; // Nest 11.0 has replaced it
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
