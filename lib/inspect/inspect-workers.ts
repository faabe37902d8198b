import { REQUEST } from '@nestjs/core';
import { livesInScope, type GraphProvider, type LifetimeGraph } from '../graph/index.js';
import { instanceOf, lifetimeOwner, inSteps, type Steps } from './instance-of.js';

/**
 * Predicts the disposals after a tick, in the reverse order of construction. Nest builds the dependencies of a constructor
 * concurrently, so one with more levels under it finishes later. Properties follow, then guards and other enhancers of the class.
 * A dependency is always disposed after its dependents. The real order of two independent providers may differ, because a factory
 * or an `onScopeInit` takes time.
 */
export function predictDisposal(
  worker: GraphProvider,
  around: readonly GraphProvider[],
  graph: LifetimeGraph,
): string[] {
  const built: {
    readonly provider: GraphProvider;
    readonly finished: number;
  }[] = [];
  const known = new Map<string, number>();
  /** @returns the round in which construction finishes. */
  const build = function* (
    provider: GraphProvider,
    owner: GraphProvider,
    begun: number,
  ): Steps<number> {
    if (!livesInScope(provider)) return begun;
    const key = instanceOf(provider, owner);
    const before = known.get(key);
    if (before !== undefined) return Math.max(before, begun);
    known.set(key, begun); // for circles
    const ownOwner = lifetimeOwner(provider, owner);
    let round = begun;
    let start = begun;
    const buildAll = function* (at: (edge: string) => boolean): Steps<void> {
      start = round;
      for (const edge of provider.dependencies) {
        if (!at(edge.at)) continue;
        const finished = yield build(graph.at(edge.to), ownOwner, start);
        round = Math.max(round, finished as number);
      }
    };
    yield buildAll((at) => !at.startsWith('property ') && at !== 'enhancer');
    yield buildAll((at) => at.startsWith('property '));
    round += 1;
    built.push({ provider, finished: round });
    yield buildAll((at) => at === 'enhancer');
    known.set(key, round);
    return round;
  };
  let finished = inSteps(build(worker, worker, 0));
  // Built when the handler is about to be called, one after the other.
  for (const enhancer of around) finished = inSteps(build(enhancer, worker, finished));
  return built
    .toSorted((one, other) => one.finished - other.finished)
    .flatMap(({ provider }) => disposed(provider))
    .reverse();
}

function disposed({ token, kind, name, type, disposer }: GraphProvider): string[] {
  if (token === REQUEST) return []; // the tick
  if (kind === 'factory') return [`what the factory of ${name} returns`];
  return disposer === undefined ? [] : [`${type?.name || name}.${disposer}`];
}
