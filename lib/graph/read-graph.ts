import { DISPOSERS } from '../util/disposers.js';
import { Scope } from '@nestjs/common';
import {
  Application,
  injectionsOf,
  isGateway,
  kindOf,
  obstacleOf,
  tokenText,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { hasMethod } from '../util/values.js';
import { LifetimeGraph, lifetimeOf, type GraphProvider } from './lifetime-graph.js';

const LIFECYCLE_HOOKS = [
  'onModuleInit',
  'onApplicationBootstrap',
  'onModuleDestroy',
  'beforeApplicationShutdown',
  'onApplicationShutdown',
] as const;

const SCOPE_HOOKS = ['onScopeInit', 'onScopeCommit', 'onScopeRollback'] as const;

/** Reads the graph of the running application on first use, and again after a module has been loaded lazily. */
export class ApplicationGraph {
  #graph: LifetimeGraph | undefined;
  #modules = 0;

  constructor(private readonly application: Application) {}

  /** Works like `LifetimeGraph#chainToRequestScope`, but takes Nest's wrapper for a provider. */
  chainToRequestScope(wrapper: NestWrapper): readonly GraphProvider[] | undefined {
    const provider = this.current.of(wrapper);
    return provider && this.current.chainToRequestScope(provider);
  }

  get current(): LifetimeGraph {
    const { modules } = this.application;
    if (this.#graph === undefined || this.#modules !== modules.size) {
      this.#graph = readGraph(modules.values());
      this.#modules = modules.size;
    }
    return this.#graph;
  }
}

/** Reads the graph from the modules of an application. Doesn't build or call anything. */
export function readGraph(modules: Iterable<NestModule>): LifetimeGraph {
  const found = new Map<NestWrapper, Pick<GraphProvider, 'place' | 'module'>>();
  for (const module of modules) {
    for (const { wrapper, place } of wrappersOf(module)) {
      // A module may have a provider twice, for example once as an enhancer. Such a provider counts once.
      if (!found.has(wrapper)) found.set(wrapper, { place, module: module.name });
    }
  }
  const places = new WeakMap<object, number>([...found.keys()].map((wrapper, id) => [wrapper, id]));
  const providers = [...found].map(([wrapper, where], id) => ({
    id,
    ...where,
    ...read(wrapper, places),
  }));
  return new LifetimeGraph(providers, places);
}

function* wrappersOf(
  module: NestModule,
): Generator<{ wrapper: NestWrapper; place: GraphProvider['place'] }> {
  for (const wrapper of module.providers.values()) yield { wrapper, place: 'provider' };
  for (const wrapper of module.controllers.values()) yield { wrapper, place: 'controller' };
  for (const wrapper of module.injectables.values()) yield { wrapper, place: 'enhancer' };
}

function read(
  wrapper: NestWrapper,
  places: WeakMap<object, number>,
): Omit<GraphProvider, 'id' | 'place' | 'module'> {
  const kind = kindOf(wrapper);
  const type = kind === 'class' ? wrapper.metatype! : undefined;
  const dependencies = injectionsOf(wrapper).flatMap(({ at, wrapper: injected }) => {
    const to = places.get(injected);
    return to === undefined ? [] : [{ at, to }];
  });
  return {
    name: nameOf(wrapper.token, type),
    token: wrapper.token,
    kind,
    isGateway: type !== undefined && isGateway(type),
    type,
    lifetime: lifetimeOf(wrapper),
    declared: declaredBy(wrapper),
    isDeclaredDurable: wrapper.scope === Scope.REQUEST && wrapper.durable === true,
    // A disposer that a constructor assigns isn't known.
    disposer: type && DISPOSERS.find(({ method }) => hasMethod(type, method))?.text,
    hooks: methodsAmong(LIFECYCLE_HOOKS, type),
    scopeHooks: methodsAmong(SCOPE_HOOKS, type),
    dependencies,
    obstacle: obstacleOf(wrapper),
  };
}

/** Returns a name that is the same in each process. For `APP_GUARD` and the like, Nest generates a different token each time. */
function nameOf(token: unknown, type: Function | undefined): string {
  const [, everywhere] =
    (typeof token === 'string' && /^(APP_[A-Z]+) \(UUID: .*\)$/.exec(token)) || [];
  return everywhere === undefined || type === undefined
    ? (everywhere ?? tokenText(token))
    : tokenText(type);
}

function declaredBy({ scope }: NestWrapper): GraphProvider['declared'] {
  if (scope === Scope.REQUEST) return 'request';
  return scope === Scope.TRANSIENT ? 'transient' : 'singleton';
}

function methodsAmong(methods: readonly string[], type: Function | undefined): string[] {
  return type === undefined ? [] : methods.filter((method) => hasMethod(type, method));
}
