import { Scope } from '@nestjs/common';
import {
  HttpAdapterHost,
  LazyModuleLoader,
  ModuleRef,
  ModulesContainer,
  NestApplicationContext,
  type NestContainer,
} from '@nestjs/core';
import { Application } from './application.js';
import { watchBuilds } from './build-watch.js';
import { quiesce } from './context-instances.js';
import { watchDecorations } from './decorations.js';
import { keepProviders, keepReadable } from './lazy-modules.js';
import type {
  ContextId,
  NestModule,
  NestWrapper,
  OpenContainer,
  OpenLazyModuleLoader,
  OpenModuleRef,
} from './nest-types.js';
import { SocketServers } from './socket-servers.js';
import { refuseEarlyLifetimes, refuseUnknownInjector } from './supported-nest.js';

/** A provider, controller or injectable, with its module. */
export interface PlacedWrapper {
  readonly module: NestModule;
  readonly wrapper: NestWrapper;
}

interface Transport {
  close(): unknown;
}

/**
 * Accesses the running application: its modules, its module references, and the order of its hooks. Only the files in this folder
 * read what Nest doesn't publish; a comment marks each such access.
 */
export class NestInside extends Application {
  /** True once start-up is complete. */
  hasStarted = false;
  #rootModule: NestModule | undefined;
  /** The providers that `placeOf()` has found. */
  readonly #places = new Map<unknown, NestWrapper>();
  #builtModuleRef: ModuleRef | undefined;
  /** The lazily loaded modules that Nest hasn't built. If Nest can't build a module, it removes the module; 11.0 keeps it. */
  readonly #unbuilt = new WeakSet<NestModule>();
  /** The listeners that are called for each added module. */
  readonly #moduleAdded: (() => void)[] = [];

  private readonly modulesContainer: ModulesContainer;
  readonly #sockets: SocketServers | undefined;

  constructor(
    modulesContainer: ModulesContainer,
    private readonly moduleRef: ModuleRef,
    private readonly httpAdapterHost: HttpAdapterHost,
    lazyModuleLoader: LazyModuleLoader,
  ) {
    super();
    // An injected object may be a proxy, on which the methods of a Map throw.
    this.modulesContainer = this.container?.getModules?.() ?? modulesContainer;
    const config = this.container?.applicationConfig;
    this.#sockets = config && new SocketServers(config);
    this.watchModules();
    this.watchLazyLoads(lazyModuleLoader as unknown as OpenLazyModuleLoader);
  }

  get modules(): ReadonlyMap<string, NestModule> {
    return this.modulesContainer as unknown as ReadonlyMap<string, NestModule>;
  }

  onModuleAdded(listener: () => void): void {
    this.#moduleAdded.push(listener);
  }

  /** True if an `instanceDecorator` of the application wraps the instances that Nest builds. */
  get isDecorated(): boolean {
    return this.container?.contextOptions?.instrument?.instanceDecorator !== undefined;
  }

  /** Returns the decorator that Nest applies to the instances of a provider; undefined if the application has none. */
  decoratorOf({ host }: NestWrapper): ((instance: unknown) => unknown) | undefined {
    if (!this.isDecorated) return undefined;
    const { injector } = this.moduleRefOf(host!) as unknown as OpenModuleRef;
    if (injector.instanceDecorator === undefined) return undefined; // Nest 11.0
    return (instance) => injector.instanceDecorator!(instance);
  }

  *wrappers(): Generator<PlacedWrapper> {
    for (const module of this.modules.values()) {
      for (const collection of [module.providers, module.controllers, module.injectables]) {
        for (const wrapper of collection.values()) yield { module, wrapper };
      }
    }
  }

  /** Makes `request` the value of `REQUEST` for all instances under `contextId`. */
  registerRequest(request: unknown, contextId: ContextId): void {
    this.moduleRef.registerRequestByContextId(request, contextId);
  }

  /** Resolves a token: from the whole application, or from one module only. */
  resolve<T>(token: unknown, contextId: ContextId, within?: NestModule): Promise<T> {
    const known = within === undefined ? this.placeOf(token) : undefined;
    if (known !== undefined) return this.load(known, contextId);
    const moduleRef = within === undefined ? this.builtModuleRef : this.moduleRefOf(within);
    return moduleRef.resolve(token as never, contextId, { strict: within !== undefined });
  }

  /**
   * Builds one wrapper under a context id, as Nest's router builds a request-scoped controller. `ModuleRef.resolve` would instead
   * choose the last module that has the token.
   */
  load<T>(wrapper: NestWrapper, contextId: ContextId): Promise<T> {
    const module = wrapper.host!;
    const moduleRef = this.moduleRefOf(module);
    const { injector } = moduleRef as unknown as OpenModuleRef;
    const collection =
      module.controllers.get(wrapper.token) === wrapper ? module.controllers : module.providers;
    const prototypeHost = wrapper.instance ?? { constructor: wrapper.token };
    return injector.loadPerContext(prototypeHost, module, collection, contextId, wrapper);
  }

  /** Waits until nothing is being built under a context id anymore. */
  quiesce(contextId: ContextId): Promise<void> {
    return quiesce(
      [...this.wrappers()].map(({ wrapper }) => wrapper),
      contextId,
    );
  }

  /** The module that `NestFactory` received, or that the testing module created. */
  get rootModule(): NestModule {
    return (this.#rootModule ??= [...this.modules.values()][1]!);
  }

  /**
   * Makes Nest run the hooks of a module first on shutdown and last on start-up.
   *
   * Nest sorts modules by `distance` from the root: greatest first for `onModuleInit` and `onApplicationBootstrap`, reversed for
   * `onModuleDestroy`. The root has 1, `InternalCoreModule` 0, and a global module `Number.MAX_VALUE` (11.0.0 to 12.5.1,
   * `NestApplicationContext#getModulesToTriggerHooksOn`). Nest sets the distances when it scans modules, and first reads them when
   * the hooks start, so call this method from a constructor.
   */
  stopFirst(moduleClass: Function): void {
    this.setDistance(moduleClass, -1);
  }

  /** Makes Nest run `onModuleInit` of a module before that of any other module, global ones included. */
  initFirst(moduleClass: Function): void {
    this.setDistance(moduleClass, Number.POSITIVE_INFINITY);
  }

  /**
   * Closes the application from inside: runs the same hooks in the same order as `app.close()`, and closes its servers. Nest
   * doesn't expose the application to providers, but every `NestApplicationContext` of one container runs the hooks of the same
   * modules (as for `app.select()`).
   */
  async closeApplication(): Promise<void> {
    const container = this.container as unknown as NestContainer;
    const adapter = this.httpAdapterHost?.httpAdapter;
    const sockets = this.#sockets;
    const { transports } = this;
    class ClosingContext extends NestApplicationContext {
      /** From Nest 12 on, called before the first hook. */
      protected override prepareClose(): Promise<void> {
        return Promise.resolve(adapter?.beforeClose?.());
      }

      protected override async dispose(): Promise<void> {
        await sockets?.close(); // first, because the HTTP server waits for its upgraded connections
        await adapter?.close();
        await Promise.all(transports.map((transport) => transport.close()));
      }
    }
    await new ClosingContext(container).close();
  }

  /** The host of the HTTP adapter; undefined in an application without HTTP. */
  get http(): HttpAdapterHost | undefined {
    return this.httpAdapterHost?.httpAdapter ? this.httpAdapterHost : undefined;
  }

  /** The servers of microservices, including those connected to an HTTP application. Nest 11.0 doesn't list them. */
  get transports(): readonly Transport[] {
    const transports: Transport[] = [];
    const registry = this.modulesContainer.getRpcTargetRegistry?.<Transport>();
    registry?.subscribe((transport) => transports.push(transport)).unsubscribe();
    return transports;
  }

  /**
   * Returns the provider that `ModuleRef.resolve` would choose: the one in the last module that has the token. Caches the result.
   * Returns undefined for a provider that Nest doesn't build for each context: Nest itself then resolves the token.
   *
   * A module that Nest is still building counts only if no other module has the token. In such a module, this method finds only
   * providers that are declared as request-scoped, because Nest hasn't resolved yet which of the others are request-scoped too.
   */
  placeOf(token: unknown): NestWrapper | undefined {
    const known = this.#places.get(token);
    if (known !== undefined) return known;
    let built: NestWrapper | undefined;
    let unbuilt: NestWrapper | undefined;
    for (const module of this.modules.values()) {
      const { providers, injectables, controllers } = module;
      const found = controllers.get(token) ?? injectables.get(token) ?? providers.get(token);
      if (!this.#unbuilt.has(module)) built = found ?? built;
      else if (found?.scope === Scope.REQUEST) unbuilt = found;
    }
    const place = built ?? unbuilt;
    if (place === undefined || place.isAlias || place.isTransient || place.isDependencyTreeStatic())
      return undefined;
    if (place.host?.injectables.get(token) === place) return undefined;
    if (place === built) this.#places.set(token, place);
    return place;
  }

  /**
   * Reports every build under a context id from `createContextId` to the observer of that id, including builds in lazily loaded
   * modules.
   *
   * @throws {UnsupportedNestError}
   */
  private watchModules(): void {
    const watch = (module: NestModule): void => {
      const { injector } = this.moduleRefOf(module) as unknown as OpenModuleRef;
      refuseUnknownInjector(injector);
      refuseEarlyLifetimes(injector, module.providers.get(ModuleRef)!);
      watchDecorations(injector);
      watchBuilds(injector);
    };
    for (const module of this.modules.values()) watch(module);
    const { modulesContainer } = this;
    const set = modulesContainer.set.bind(modulesContainer);
    modulesContainer.set = (id, module) => {
      set(id, module);
      this.#unbuilt.add(module as unknown as NestModule);
      for (const added of this.#moduleAdded) added();
      watch(module as unknown as NestModule);
      return modulesContainer;
    };
  }

  /** Marks lazily loaded modules as built, and prevents later loads from changing modules that are built already. */
  private watchLazyLoads(loader: OpenLazyModuleLoader): void {
    const { instanceLoader } = loader;
    if (instanceLoader === undefined) return; // a test has replaced the loader
    const load = loader.load.bind(loader);
    loader.load = (...given) => {
      for (const module of this.modules.values())
        if (!this.#unbuilt.has(module)) keepProviders(module);
      return load(...given);
    };
    const { createInstancesOfDependencies } = instanceLoader;
    instanceLoader.createInstancesOfDependencies = async (modules) => {
      for (const module of modules.values()) keepReadable(module);
      await createInstancesOfDependencies.call(instanceLoader, modules);
      for (const module of modules.values()) {
        this.#unbuilt.delete(module);
        keepProviders(module); // another load may be under way
      }
      this.#places.clear();
      this.#builtModuleRef = undefined;
    };
  }

  /** Returns a `ModuleRef` for all modules that Nest has built. Nest's own `ModuleRef` looks for modules once, on first use. */
  private get builtModuleRef(): ModuleRef {
    if (this.#builtModuleRef === undefined) {
      const isBuilt = (module: NestModule): boolean => !this.#unbuilt.has(module);
      this.#builtModuleRef = Object.create(this.moduleRef, {
        container: { value: { getModules: () => [...this.modules.values()].filter(isBuilt) } },
        _instanceLinksHost: { value: undefined, writable: true },
      }) as ModuleRef;
    }
    return this.#builtModuleRef;
  }

  private get container(): OpenContainer | undefined {
    return (this.moduleRef as unknown as OpenModuleRef).container;
  }

  private setDistance(moduleClass: Function, distance: number): void {
    for (const module of this.modules.values()) {
      if (module.metatype === moduleClass) module.distance = distance;
    }
  }

  private moduleRefOf(module: NestModule): ModuleRef {
    return module.providers.get(ModuleRef)!.instance as ModuleRef;
  }
}
