import { Application, type NestWrapper } from '../nest/index.js';
import type { GraphProvider, LifetimeGraph } from './lifetime-graph.js';
import { readGraph } from './read-graph.js';

/** Reads the graph of the running application on first use, and again after a module was loaded lazily. */
export class ApplicationGraph {
  #graph: LifetimeGraph | undefined;
  #modules = 0;

  constructor(private readonly application: Application) {}

  /** As `LifetimeGraph#wayToRequestScope`, for Nest's wrapper of a provider. */
  wayToRequestScope(wrapper: NestWrapper): readonly GraphProvider[] | undefined {
    const provider = this.current.of(wrapper);
    return provider && this.current.wayToRequestScope(provider);
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
