import type { INestApplicationContext } from '@nestjs/common';
import { readGraph } from '../../lib/graph/read-graph.js';
import type { GraphProvider, LifetimeGraph } from '../../lib/graph/lifetime-graph.js';
import { OpenedApplication, type NestModule } from '../../lib/nest/index.js';

/** The graph of an application, read now. */
export function graphNow(app: INestApplicationContext): LifetimeGraph {
  return readGraph(modulesOf(app).values());
}

export function modulesOf(app: INestApplicationContext): ReadonlyMap<string, NestModule> {
  return new OpenedApplication(app).modules;
}

/** The provider of a name; of a module, when several have it. */
export function named(graph: LifetimeGraph, name: string, module?: string): GraphProvider {
  const found = graph.providers.filter(
    (provider) => provider.name === name && (module === undefined || provider.module === module),
  );
  if (found.length !== 1) throw new Error(`${found.length} providers are named ${name}.`);
  return found[0]!;
}

/** What a provider gets injected, written `constructor[0] Repo`. */
export function edgesOf(graph: LifetimeGraph, name: string, module?: string): string[] {
  return named(graph, name, module).dependencies.map(({ at, to }) => `${at} ${graph.at(to).name}`);
}

/** The whole graph of everything outside of Nest, as data to compare: `Name@Module lifetime kind: edges`. */
export function written({ providers }: LifetimeGraph, without: readonly string[] = []): string[] {
  return providers
    .filter(({ module }) => module !== 'InternalCoreModule' && !without.includes(module))
    .map(({ name, module, place, lifetime, kind, dependencies }) => {
      const edges = dependencies.map(
        ({ at, to }) => `${at} ${providers[to]!.name}@${providers[to]!.module}`,
      );
      return `${name}@${module} ${place} ${lifetime} ${kind}: ${edges.join(', ')}`;
    });
}
