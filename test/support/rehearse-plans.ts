import type { LifetimeGraph } from '../../lib/graph/lifetime-graph.js';
import { HostingModule } from '../../lib/hosting.module.js';
import type { NestWrapper } from '../../lib/nest/nest-types.js';
import { BuildRecording } from '../../lib/nest/plan/build-recording.js';
import { createContextId, isFactory, type BuildObserver } from '../../lib/nest/index.js';
import type { ScopedWorkerServices } from '../../lib/scoped-worker-services.js';

/**
 * For a run of the suite in which plans build everything: as an application starts, Nest loads each provider twice with constructors
 * and factories that do nothing, so that every provider has its plan before the first scope opens.
 */
const { onApplicationBootstrap } = HostingModule.prototype;
HostingModule.prototype.onApplicationBootstrap = async function (this: HostingModule) {
  await rehearse((this as unknown as { services: ScopedWorkerServices }).services);
  return onApplicationBootstrap.call(this);
};

const MOST_REHEARSED = 1_000;

type Stubbed = NestWrapper & { metatype: unknown };

async function rehearse({ nest, plans, graph }: ScopedWorkerServices): Promise<void> {
  if (isCircular(graph.current)) return; // no plans, and Nest may never end a load that no code awaits

  const wrappers = [...nest.wrappers()].map(({ wrapper }) => wrapper as Stubbed);
  if (wrappers.length > MOST_REHEARSED) return; // each load builds all dependencies, so a deep graph would take hours
  // Nest would keep the empty objects for as long as their context lives.
  if (wrappers.some(({ durable }) => durable === true)) return;
  const built = wrappers.filter(
    (wrapper) => typeof wrapper.metatype === 'function' && !wrapper.isAlias,
  );
  for (const root of wrappers) {
    if (root.isTransient || root.isAlias || root.isDependencyTreeStatic()) continue;
    for (let load = 0; load < 2; load += 1) {
      const recording = new BuildRecording(load);
      const request = {};
      const contextId = createContextId(request, observing(recording));
      nest.registerRequest(request, contextId);
      const restore = stubAll(built);
      try {
        await nest.load(root, contextId);
      } catch {
        break; // it can't be built; its tests say why
      } finally {
        restore();
      }
      plans.recorded(root, recording, contextId, request);
    }
  }
}

function isCircular(graph: LifetimeGraph): boolean {
  const left = new Map(
    graph.providers.map((each) => [each.id, new Set(graph.dependenciesOf(each))]),
  );
  const free = graph.providers.filter(({ id }) => left.get(id)!.size === 0);
  for (const provider of free)
    for (const dependent of graph.dependentsOf(provider)) {
      const needs = left.get(dependent.id)!;
      if (needs.delete(provider) && needs.size === 0) free.push(dependent);
    }
  return free.length < graph.providers.length;
}

/** Replaces constructors and factories by functions that return empty objects, and returns a function that puts them back. */
function stubAll(wrappers: readonly Stubbed[]): () => void {
  const originals = wrappers.map(({ metatype }) => metatype);
  for (const wrapper of wrappers) {
    const { metatype } = wrapper;
    const { prototype } = metatype as { prototype: object };
    const stub = isFactory(wrapper)
      ? (): object => ({})
      : function (): object {
          return Object.create(prototype) as object;
        };
    Object.setPrototypeOf(stub, metatype as object); // Nest reads the metadata of the class
    if (!isFactory(wrapper)) stub.prototype = prototype;
    (wrapper as { metatype: unknown }).metatype = stub;
  }
  return () =>
    wrappers.forEach((wrapper, index) => {
      (wrapper as { metatype: unknown }).metatype = originals[index];
    });
}

function observing(recording: BuildRecording): BuildObserver {
  return {
    key: {},
    recording,
    standIn: undefined,
    refusalOf: () => undefined,
    beforeBuild: () => undefined,
    built: () => undefined,
    lent: () => undefined,
    outlives: () => undefined,
    buildFailed: () => undefined,
    notAwaited: (loading) => void loading.catch(() => undefined),
  };
}
