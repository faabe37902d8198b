import type { Scope } from '@nestjs/common';
import type { ContextId, ModuleRef, ModulesContainer } from '@nestjs/core';

/**
 * The part of Nest's `InstanceWrapper` that this library reads; the same from 11.0.0 to 12.5.1. Declared here so that no type
 * of the library refers to Nest's internals.
 */
export interface NestWrapper {
  readonly id: string;
  readonly name: unknown;
  readonly token: unknown;
  readonly metatype: (Function & { prototype?: object }) | null | undefined;
  readonly inject?: readonly unknown[] | null;
  readonly isAlias?: boolean;
  /** True if a dependent uses `forwardRef()`: the provider may be part of a circular dependency. */
  readonly forwardRef?: boolean;
  readonly instance: unknown;
  /** The declared scope; `isDependencyTreeStatic()` takes the dependencies into account. */
  readonly scope?: Scope;
  readonly durable?: boolean;
  readonly isTransient: boolean;
  /** Set once Nest has resolved all dependencies of the provider; the same from 11.0.0 to 12.5.1. */
  readonly initTime?: number;
  readonly host?: NestModule;
  setInstanceByContextId(contextId: ContextId, host: NestInstanceHost, inquirerId?: string): void;
  removeInstanceByContextId(contextId: ContextId, inquirerId?: string): void;
  isDependencyTreeStatic(): boolean;
  isDependencyTreeDurable(): boolean;
  getCtorMetadata(): readonly NestWrapper[] | undefined;
  getPropertiesMetadata():
    readonly { readonly key: PropertyKey; readonly wrapper: NestWrapper }[] | undefined;
  getEnhancersMetadata(): readonly NestWrapper[] | undefined;
  addEnhancerMetadata(enhancer: NestWrapper): void;
}

/** A wrapper's entry for one context id. */
export interface NestInstanceHost {
  readonly instance: unknown;
  readonly isResolved?: boolean;
  readonly isPending?: boolean;
  readonly donePromise?: Promise<unknown>;
}

/** The part of Nest's `Module` that this library reads. */
export interface NestModule {
  readonly id: string;
  readonly name: string;
  readonly metatype: Function;
  readonly providers: Map<unknown, NestWrapper>;
  readonly controllers: Map<unknown, NestWrapper>;
  readonly injectables: Map<unknown, NestWrapper>;
  /** The imported modules, including global ones. */
  readonly imports?: ReadonlySet<NestModule>;
  /** Tokens of providers, and classes of re-exported modules. */
  readonly exports?: ReadonlySet<unknown>;
  distance: number;
}

/** A value that Nest injects into a property. */
export interface NestProperty {
  readonly key: PropertyKey;
  readonly instance: unknown;
}

/** The part of Nest's `Injector` that this library reads and instruments. */
export interface NestInjector {
  instantiateClass: (this: NestInjector, ...args: unknown[]) => Promise<unknown>;
  /** From 11.1 on: the `instanceDecorator` of the application's `instrument` option, or the identity function. */
  instanceDecorator?: (instance: unknown) => unknown;
  resolveProperties: (this: NestInjector, ...args: unknown[]) => Promise<NestProperty[]>;
  loadProvider: (this: NestInjector, ...args: unknown[]) => Promise<unknown>;
  /** Exists in 11.2.10, and from 12.2 on. */
  waitForDeferredLoads?: (this: NestInjector, contextId: ContextId) => Promise<void>;
  addDeferredLoad?: (this: NestInjector, contextId: ContextId, loading: Promise<unknown>) => void;
  /** Returns the context id under which Nest stores an instance; for a durable provider, a `ContextIdStrategy` chooses that id. */
  getContextId(contextId: ContextId, wrapper: NestWrapper): ContextId;
  loadPerContext: <T>(
    this: NestInjector,
    instance: unknown,
    moduleRef: NestModule,
    collection: Map<unknown, NestWrapper>,
    contextId: ContextId,
    wrapper: NestWrapper,
  ) => Promise<T>;
}

/** `ModuleRef` with the two fields that Nest declares private. */
export interface OpenModuleRef {
  readonly injector: NestInjector;
  readonly container?: OpenContainer;
}

/** `LazyModuleLoader` with the field that Nest declares private; the same from 11.0.0 to 12.5.1. */
export interface OpenLazyModuleLoader {
  load(...args: unknown[]): Promise<unknown>;
  readonly instanceLoader?: {
    /** Builds all providers of the modules that one call to `load()` adds. */
    createInstancesOfDependencies(modules: ReadonlyMap<string, NestModule>): Promise<void>;
  };
}

/** The part of Nest's `NestContainer` that this library reads. */
export interface OpenContainer {
  /** The options of `NestFactory.create()`. */
  readonly contextOptions?: { readonly instrument?: { readonly instanceDecorator?: unknown } };
  /** The same options; also present in 11.0. */
  readonly _contextOptions?: { readonly preview?: boolean };
  readonly applicationConfig?: OpenApplicationConfig;
  getModules?(): ModulesContainer;
}

/** The part of Nest's `ApplicationConfig` that this library reads and changes. */
export interface OpenApplicationConfig {
  /** Called by `app.useWebSocketAdapter()`, and by Nest itself if a gateway needs an adapter and the application has not set one. */
  setIoAdapter(adapter: SocketAdapter): void;
  getIoAdapter(): SocketAdapter | null | undefined;
}

/** The part of a `WebSocketAdapter` that this library uses. */
export interface SocketAdapter {
  create(...given: unknown[]): unknown;
  close(server: unknown): unknown;
  dispose?(): unknown;
}

export type { ContextId, ModuleRef };
