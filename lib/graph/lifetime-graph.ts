/**
 * How long an instance of a provider lives.
 *
 * - `singleton`: as long as the application.
 * - `request`: as long as the scope; it says so itself.
 * - `bubbled`: as long as the scope, because something that it depends on does.
 * - `durable`: as long as the context that a `ContextIdStrategy` names, such as a tenant.
 * - `transient`: one for each provider that injects it, and as long as that one.
 *
 * @publicApi
 */
export type Lifetime = 'singleton' | 'request' | 'bubbled' | 'durable' | 'transient';

/** One provider depends on another. */
export interface GraphEdge {
  /** Where it is injected: `constructor[0]`, `inject[0]`, `property name`; or `enhancer`: a guard of a controller, say. */
  readonly at: string;
  /** The id of what is injected. */
  readonly to: number;
}

/** A provider, a controller or an enhancer as it stands in one module. */
export interface GraphProvider {
  /** Its place in `LifetimeGraph#providers`. */
  readonly id: number;
  /** For messages: the class, or the text of the token. */
  readonly name: string;
  readonly token: unknown;
  readonly module: string;
  readonly place: 'provider' | 'controller' | 'enhancer';
  readonly kind: 'class' | 'factory' | 'value' | 'alias';
  /** Marked with `@WebSocketGateway()`. */
  readonly isGateway: boolean;
  /** The class of a provider of the kind `class`. What a factory returns is not known before it runs. */
  readonly type: Function | undefined;
  readonly lifetime: Lifetime;
  /** What the provider says itself. */
  readonly declared: 'singleton' | 'request' | 'transient';
  readonly isDeclaredDurable: boolean;
  /** The one method that disposes an instance; undefined when there is none, or none is known. */
  readonly disposer: string | undefined;
  /** Nest's lifecycle hooks, by name. */
  readonly hooks: readonly string[];
  /** `onScopeInit`, `onScopeCommit`, `onScopeRollback`: written for scopes. */
  readonly scopeHooks: readonly string[];
  readonly dependencies: readonly GraphEdge[];
}

/** A module of the application. */
export interface GraphModule {
  readonly name: string;
  /** The ids of what stands in it. */
  readonly providers: readonly number[];
}

/**
 * Who depends on whom, and who lives how long: pure data, read from Nest at start-up. The rules of the validator, and the trees
 * of the inspector, read nothing else.
 */
export class LifetimeGraph {
  readonly #dependents = new Map<number, number[]>();

  constructor(
    readonly providers: readonly GraphProvider[],
    readonly modules: readonly GraphModule[],
    /** Where Nest's own record of a provider stands in the graph. */
    private readonly places: WeakMap<object, number>,
  ) {
    for (const { id, dependencies } of providers) {
      for (const { to } of dependencies) {
        const known = this.#dependents.get(to);
        if (known === undefined) this.#dependents.set(to, [id]);
        else if (known.at(-1) !== id) known.push(id);
      }
    }
  }

  /** @param wrapper what Nest keeps of the provider. */
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
   * The shortest way along dependencies from a provider to the nearest one that fits, both ends included. The way does not
   * lead through what `passes` refuses.
   */
  wayTo(
    from: GraphProvider,
    fits: (provider: GraphProvider) => boolean,
    passes: (provider: GraphProvider) => boolean = () => true,
  ): readonly GraphProvider[] | undefined {
    const cameFrom = new Map<number, GraphProvider | undefined>([[from.id, undefined]]);
    const open = [from];
    for (const provider of open) {
      if (fits(provider)) return wayBack(provider, cameFrom);
      for (const next of this.dependenciesOf(provider)) {
        if (cameFrom.has(next.id) || !(passes(next) || fits(next))) continue;
        cameFrom.set(next.id, provider);
        open.push(next);
      }
    }
    return undefined;
  }

  /**
   * The way from a provider to the nearest one that is request-scoped by itself, both ends included: what keeps Nest from
   * building the first one once. A singleton has none. A way to something durable
   * is given only for a durable provider, or where there is no other. The way does not lead through what `passes` refuses, nor end there.
   */
  wayToRequestScope(
    from: GraphProvider,
    passes: (provider: GraphProvider) => boolean = () => true,
  ): readonly GraphProvider[] | undefined {
    if (from.lifetime === 'singleton') return undefined;
    const plain = this.wayTo(
      from,
      (provider) =>
        provider.declared === 'request' && !provider.isDeclaredDurable && passes(provider),
      (provider) =>
        provider.lifetime !== 'singleton' && provider.lifetime !== 'durable' && passes(provider),
    );
    if (plain !== undefined && from.lifetime !== 'durable') return plain;
    return this.wayTo(
      from,
      (provider) => provider.declared === 'request' && passes(provider),
      (provider) => provider.lifetime !== 'singleton' && passes(provider),
    );
  }

  /** What is built with a provider in its scope, itself included; not what is shared with others. */
  scopedTree(from: GraphProvider): readonly GraphProvider[] {
    const seen = new Set<number>([from.id]);
    const tree = [from];
    for (const provider of tree) {
      for (const next of this.dependenciesOf(provider)) {
        if (seen.has(next.id) || !livesInScope(next)) continue;
        seen.add(next.id);
        tree.push(next);
      }
    }
    return tree;
  }
}

/** True for what is built anew in each scope when something of the scope needs it. */
export function livesInScope({ lifetime }: GraphProvider): boolean {
  return lifetime === 'request' || lifetime === 'bubbled' || lifetime === 'transient';
}

function wayBack(
  to: GraphProvider,
  cameFrom: ReadonlyMap<number, GraphProvider | undefined>,
): GraphProvider[] {
  const way: GraphProvider[] = [];
  for (let at: GraphProvider | undefined = to; at !== undefined; at = cameFrom.get(at.id))
    way.unshift(at);
  return way;
}
