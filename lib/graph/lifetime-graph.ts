import { Scope } from '@nestjs/common';
import { isSingleton, type NestWrapper, type ProviderKind } from '../nest/index.js';
import { getOrAdd } from '../util/values.js';

/**
 * How long an instance of a provider lives.
 *
 * - `singleton`: as long as the application.
 * - `request`: as long as the scope, because the provider itself is request-scoped.
 * - `bubbled`: as long as the scope, because one of the provider's dependencies is request-scoped.
 * - `durable`: as long as the context that a `ContextIdStrategy` defines, such as a tenant.
 * - `transient`: as long as the provider that injects it. Each such provider has its own instance.
 *
 * @publicApi
 */
export type Lifetime = 'singleton' | 'request' | 'bubbled' | 'durable' | 'transient';

/** Returns the lifetime that a provider has in Nest, based on the lifetimes of its dependencies. */
export function lifetimeOf(wrapper: NestWrapper): Lifetime {
  if (wrapper.isTransient) return 'transient';
  if (isSingleton(wrapper)) return 'singleton';
  if (wrapper.isDependencyTreeDurable()) return 'durable';
  return wrapper.scope === Scope.REQUEST ? 'request' : 'bubbled';
}

/** The dependency of one provider on another. */
export interface GraphEdge {
  /** The injection point: `constructor[0]`, `inject[0]`, `property name`, or `enhancer` (such as a guard on a controller). */
  readonly at: string;
  /** The id of the injected provider. */
  readonly to: number;
}

/** A provider, a controller or an enhancer of one module. */
export interface GraphProvider {
  /** Its index in `LifetimeGraph#providers`. */
  readonly id: number;
  /** The name in messages: the class, or the text of the token. */
  readonly name: string;
  readonly token: unknown;
  readonly module: string;
  readonly place: 'provider' | 'controller' | 'enhancer';
  readonly kind: ProviderKind;
  /** True if its class is marked with `@WebSocketGateway()`. */
  readonly isGateway: boolean;
  /** The class of a provider of the kind `class`. The result of a factory isn't known before the factory runs. */
  readonly type: Function | undefined;
  readonly lifetime: Lifetime;
  /** The scope that the provider itself declares. */
  readonly declared: 'singleton' | 'request' | 'transient';
  readonly isDeclaredDurable: boolean;
  /** The one method that disposes an instance; undefined if the instance has none, or if none is known. */
  readonly disposer: string | undefined;
  /** Nest's lifecycle hooks, by name. */
  readonly hooks: readonly string[];
  /** The scope hooks of the provider: any of `onScopeInit`, `onScopeCommit` and `onScopeRollback`. */
  readonly scopeHooks: readonly string[];
  readonly dependencies: readonly GraphEdge[];
  /** The reason why no plan can build the provider, as a clause; undefined if no reason is known. */
  readonly obstacle: string | undefined;
}

/**
 * Holds the dependencies and lifetimes of all providers, read from Nest at start-up. The rules of the validator and the trees of
 * the inspector read nothing else.
 */
export class LifetimeGraph {
  readonly #dependents = new Map<number, number[]>();
  #scoped: ReadonlySet<GraphProvider> | undefined;

  constructor(
    readonly providers: readonly GraphProvider[],
    /** The ids of the providers, by Nest's wrapper. */
    private readonly places: WeakMap<object, number>,
  ) {
    for (const { id, dependencies } of providers) {
      for (const { to } of dependencies) {
        const known = getOrAdd(this.#dependents, to, () => []);
        if (known.at(-1) !== id) known.push(id);
      }
    }
  }

  /** Returns the provider for one of Nest's wrappers. */
  of(wrapper: object): GraphProvider | undefined {
    const id = this.places.get(wrapper);
    return id === undefined ? undefined : this.providers[id];
  }

  at(id: number): GraphProvider {
    return this.providers[id]!;
  }

  dependenciesOf(provider: GraphProvider): GraphProvider[] {
    return provider.dependencies.map(({ to }) => this.at(to));
  }

  dependentsOf(provider: GraphProvider): GraphProvider[] {
    return (this.#dependents.get(provider.id) ?? []).map((id) => this.at(id));
  }

  /**
   * Returns true if the provider declares itself request-scoped or depends on such a provider. Considers only scopes and
   * dependencies, because some releases of Nest compute wrong lifetimes.
   */
  needsScope(provider: GraphProvider): boolean {
    return (this.#scoped ??= this.scopedProviders()).has(provider);
  }

  /** Returns the providers that need a scope, although Nest makes them singletons. */
  misjudged(): readonly GraphProvider[] {
    return this.providers.filter((each) => each.lifetime === 'singleton' && this.needsScope(each));
  }

  /**
   * Returns the shortest chain of dependencies from a provider to the nearest one that `fits` accepts, including both ends. The
   * chain doesn't lead through providers that `passes` rejects.
   */
  chainTo(
    from: GraphProvider,
    fits: (provider: GraphProvider) => boolean,
    passes: (provider: GraphProvider) => boolean = () => true,
  ): readonly GraphProvider[] | undefined {
    const cameFrom = new Map<number, GraphProvider | undefined>([[from.id, undefined]]);
    const open = [from];
    for (const provider of open) {
      if (fits(provider)) {
        const links = [provider];
        for (let at = cameFrom.get(provider.id); at !== undefined; at = cameFrom.get(at.id))
          links.unshift(at);
        return links;
      }
      for (const next of this.dependenciesOf(provider)) {
        if (cameFrom.has(next.id) || !(passes(next) || fits(next))) continue;
        cameFrom.set(next.id, provider);
        open.push(next);
      }
    }
    return undefined;
  }

  /**
   * Returns the chain from a provider to the nearest one that declares itself request-scoped, including both ends. The chain
   * explains why Nest builds the first provider more than once; a singleton has no such chain. The chain ends at a durable provider
   * only if `from` is durable or there is no other chain. It neither leads through nor ends at a provider that `passes` rejects.
   */
  chainToRequestScope(
    from: GraphProvider,
    passes: (provider: GraphProvider) => boolean = () => true,
  ): readonly GraphProvider[] | undefined {
    if (from.lifetime === 'singleton') return undefined;
    const nearest = (isDurableToo: boolean): readonly GraphProvider[] | undefined =>
      this.chainTo(
        from,
        (to) => to.declared === 'request' && (isDurableToo || !to.isDeclaredDurable) && passes(to),
        (to) =>
          to.lifetime !== 'singleton' && (isDurableToo || to.lifetime !== 'durable') && passes(to),
      );
    return (from.lifetime === 'durable' ? undefined : nearest(false)) ?? nearest(true);
  }

  /** Returns the providers that Nest builds in a scope for a provider, including that provider but no shared ones. */
  scopedTree(from: GraphProvider): readonly GraphProvider[] {
    return this.treeOf(from, livesInScope);
  }

  /** Returns a provider and everything that it depends on, nearest first. Follows only dependencies that `leads` accepts. */
  treeOf(
    from: GraphProvider,
    leads: (to: GraphProvider, at: GraphProvider) => boolean,
  ): readonly GraphProvider[] {
    const tree = new Set([from]);
    for (const provider of tree)
      for (const next of this.dependenciesOf(provider)) if (leads(next, provider)) tree.add(next);
    return [...tree];
  }

  private scopedProviders(): ReadonlySet<GraphProvider> {
    const scoped = new Set(this.providers.filter(({ declared }) => declared === 'request'));
    for (const provider of scoped)
      for (const dependent of this.dependentsOf(provider)) scoped.add(dependent);
    return scoped;
  }
}

/** Returns true if each scope that needs the provider has its own instance. */
export function livesInScope({ lifetime }: GraphProvider): boolean {
  return lifetime === 'request' || lifetime === 'bubbled' || lifetime === 'transient';
}

/** Returns the names of the links in a chain. */
export function namesOf(links: readonly GraphProvider[]): string[] {
  return links.map(({ name }) => name);
}
