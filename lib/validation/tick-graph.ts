import { namesOf, type GraphProvider, type LifetimeGraph } from '../graph/lifetime-graph.js';
import type { FindingKind } from '../errors/finding.js';

/** A worker, as the place where its ticks enter the graph. */
export interface WorkerRoot {
  readonly provider: GraphProvider;
  /** True if Nest can't build it, because a dependency isn't provided (SW111). */
  readonly isIncomplete: boolean;
  /** Its handlers, in the form `Class.method`. */
  readonly handlers: readonly string[];
  /** The names of its schedules, in the order of its handlers. */
  readonly schedules: readonly string[];
  /** Scoped global enhancers, which are built for its ticks too. */
  readonly around: readonly GraphProvider[];
}

/** The input for the rules: the graph, the points where ticks enter it, and the chain of names from a handler to a provider. */
export class TickGraph {
  /** For each provider id, the dependent through which a tick first reaches the provider. */
  readonly #cameFrom = new Map<number, GraphProvider | undefined>();
  readonly #handlers = new Map<number, string>();
  readonly #workers: ReadonlySet<number>;
  #builtForOthers: ReadonlySet<GraphProvider> | undefined;

  constructor(
    readonly graph: LifetimeGraph,
    readonly workers: readonly WorkerRoot[],
    /** Returns true for a finding that `allowFindings` names. */
    readonly allows: (kind: FindingKind, provider: GraphProvider) => boolean,
    /** Returns true for a provider that discovery has reported, such as one whose methods another library calls. */
    private readonly isReported: (provider: GraphProvider) => boolean,
    /** True if the module has hooks that run around ticks. The graph doesn't show what such hooks isolate. */
    readonly hasHooks: boolean,
  ) {
    this.#workers = new Set(workers.map(({ provider }) => provider.id));
    const open: GraphProvider[] = [];
    const reach = (provider: GraphProvider, from: GraphProvider | undefined): void => {
      if (this.#cameFrom.has(provider.id)) return;
      this.#cameFrom.set(provider.id, from);
      open.push(provider);
    };
    for (const { provider, handlers } of workers) {
      const [first] = handlers;
      if (first === undefined || provider.lifetime === 'singleton') continue;
      this.#handlers.set(provider.id, first);
      reach(provider, undefined);
    }
    for (const { provider, around } of workers)
      if (this.isBuiltForTicks(provider)) for (const enhancer of around) reach(enhancer, provider);
    for (const provider of open)
      for (const next of graph.dependenciesOf(provider))
        if (next.lifetime !== 'singleton') reach(next, provider);
  }

  /** Returns true if ticks build the provider. */
  isBuiltForTicks({ id }: GraphProvider): boolean {
    return this.#cameFrom.has(id);
  }

  /**
   * Returns true for controllers, enhancers, gateways, classes that discovery has reported, and their dependencies. Requests and
   * messages can build them.
   */
  isBuiltForOthers(provider: GraphProvider): boolean {
    return (this.#builtForOthers ??= this.builtForOthers()).has(provider);
  }

  isWorker({ id }: GraphProvider): boolean {
    return this.#workers.has(id);
  }

  /**
   * Returns the names of a chain, preceded by those from a handler to the chain's first provider. If no tick reaches that
   * provider, the chain has no handler.
   */
  chain(links: readonly GraphProvider[]): string[] {
    const names = namesOf(links);
    const [first] = links;
    if (first === undefined || !this.isBuiltForTicks(first)) return names;
    let at = first;
    for (;;) {
      const before = this.#cameFrom.get(at.id);
      if (before === undefined) return [this.#handlers.get(at.id)!, ...names.slice(1)];
      names.unshift(before.name);
      at = before;
    }
  }

  private builtForOthers(): ReadonlySet<GraphProvider> {
    const built = new Set(
      this.graph.providers.filter(
        (provider) =>
          provider.place !== 'provider' || provider.isGateway || this.isReported(provider),
      ),
    );
    for (const provider of built)
      for (const next of this.graph.dependenciesOf(provider))
        if (next.lifetime !== 'singleton') built.add(next);
    return built;
  }
}

/** Lists up to `most` names for a message, and counts the others. */
export function listed(names: readonly string[], most: number): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
