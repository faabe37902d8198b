import { Application, type NestWrapper } from '../nest/index.js';
import type { GraphProvider, LifetimeGraph } from './lifetime-graph.js';
import { readGraph } from './read-graph.js';

/** The graph of the running application: read when it is first asked for, and again when a module was loaded lazily. */
export class ApplicationGraph {
  #graph: LifetimeGraph | undefined;
  #modules = 0;

  constructor(private readonly application: Application) {}

  /** As `LifetimeGraph#wayToRequestScope`, of what Nest keeps of a provider. */
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
