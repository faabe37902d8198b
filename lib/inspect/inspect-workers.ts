import { REQUEST } from '@nestjs/core';
import { arrows } from '../errors/finding.js';
import {
  livesInScope,
  namesOf,
  type GraphProvider,
  type LifetimeGraph,
} from '../graph/lifetime-graph.js';
import { isInternalToken } from '../nest/index.js';
import type { WorkerRoot } from '../validation/tick-graph.js';
import type { InspectedProvider, InspectedWorker } from './inspection.interface.js';

/** Returns a worker with the providers that are built for each of its ticks, and with what is disposed after each tick. */
export function inspectWorker(
  { provider, handlers, around }: WorkerRoot,
  graph: LifetimeGraph,
  noPlan: string | undefined,
): InspectedWorker {
  const { name, module } = provider;
  const tree = workerTree(provider, around, graph);
  const disposal = predictDisposal(provider, around, graph);
  return { name, module, handlers, tree, disposal, ...(noPlan === undefined ? {} : { noPlan }) };
}

/**
 * Returns the tree of a worker and its dependencies.
 *
 * @param around scoped global enhancers, which are listed after the worker's own dependencies.
 */
function workerTree(
  worker: GraphProvider,
  around: readonly GraphProvider[],
  graph: LifetimeGraph,
): InspectedProvider {
  const shown = new Set<string>();
  const roots: InspectedProvider[] = [];
  // Not recursive, because a tree may be too deep for the stack.
  const open = [{ provider: worker, owner: worker, siblings: roots }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { provider, owner, siblings } = at;
    const { name, module, kind, lifetime, disposer, scopeHooks } = provider;
    const isScoped = livesInScope(provider);
    const key = instanceOf(provider, owner);
    const isRepeated = isScoped && shown.has(key);
    shown.add(key);
    const dependencies: InspectedProvider[] = [];
    siblings.push({
      name,
      module,
      lifetime,
      isFactory: kind === 'factory',
      why: whyItLives(provider, graph),
      disposer: isScoped ? disposer : undefined,
      scopeHooks: isScoped ? scopeHooks : [],
      isRepeated,
      dependencies,
    });
    if (!isScoped || isRepeated) continue;
    const next = graph.dependenciesOf(provider).filter(({ token }) => !isInternalToken(token));
    if (provider === worker) next.push(...around);
    for (const dependency of next.toReversed())
      open.push({
        provider: dependency,
        owner: lifetimeOwner(provider, owner),
        siblings: dependencies,
      });
  }
  return roots[0]!;
}

function whyItLives(provider: GraphProvider, graph: LifetimeGraph): string {
  switch (provider.lifetime) {
    case 'singleton':
      return 'shared with the whole application';
    case 'request':
      return 'declared request-scoped';
    case 'transient':
      return 'transient: one for each provider that injects it';
    case 'durable':
      return 'durable: shared by the ticks of one context';
    case 'bubbled': {
      const chain = namesOf(graph.chainToRequestScope(provider)?.slice(1) ?? []);
      return chain.length === 0
        ? 'depends on a request-scoped provider'
        : `because of ${arrows(chain)}`;
    }
  }
}

/**
 * Predicts what is disposed after a tick, in the reverse order of construction. Nest builds the dependencies of a constructor
 * concurrently, so a dependency with more levels under it is finished later. Injected properties follow, then the guards and other
 * enhancers of the class. A dependency is always disposed after its dependents. The real order of two independent providers may
 * differ, because a factory or an `onScopeInit` can take time.
 */
function predictDisposal(
  worker: GraphProvider,
  around: readonly GraphProvider[],
  graph: LifetimeGraph,
): string[] {
  const built: { readonly provider: GraphProvider; readonly finished: number }[] = [];
  const known = new Map<string, number>();
  /** Simulates building a provider. @returns the round in which the provider is finished. */
  const build = function* (
    provider: GraphProvider,
    owner: GraphProvider,
    begun: number,
  ): Steps<number> {
    if (!livesInScope(provider)) return begun;
    const key = instanceOf(provider, owner);
    const before = known.get(key);
    if (before !== undefined) return Math.max(before, begun);
    known.set(key, begun); // so that cycles end
    let round = begun;
    const buildAll = function* (isNext: (at: string) => boolean): Steps<void> {
      const start = round;
      for (const { at, to } of provider.dependencies) {
        if (!isNext(at)) continue;
        const finished = yield build(graph.at(to), lifetimeOwner(provider, owner), start);
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
  // Nest builds these enhancers one after the other, just before the handler is called.
  for (const enhancer of around) finished = inSteps(build(enhancer, worker, finished));
  return built
    .toSorted((one, other) => one.finished - other.finished)
    .flatMap(({ provider }) => disposed(provider))
    .reverse();
}

function disposed({ token, kind, name, type, disposer }: GraphProvider): string[] {
  if (token === REQUEST) return []; // the tick
  if (kind === 'factory') return [`the result of the factory of ${name}`];
  return disposer === undefined ? [] : [`${type?.name || name}.${disposer}`];
}

/**
 * Returns a key that identifies an instance. Nest builds a transient once for each provider that injects it, directly or through
 * other transients.
 */
function instanceOf({ id, lifetime }: GraphProvider, owner: GraphProvider): string {
  return lifetime === 'transient' ? `${id} of ${owner.id}` : `${id}`;
}

/** Returns the provider for which Nest builds the transients that a provider injects. */
function lifetimeOwner(provider: GraphProvider, owner: GraphProvider): GraphProvider {
  return provider.lifetime === 'transient' ? owner : provider;
}

/** Recursive work that may be too deep for the stack: it yields each nested call instead of making the call. */
type Steps<Result> = Generator<Steps<unknown>, Result, unknown>;

/** Runs recursive work to completion. */
function inSteps<Result>(first: Steps<Result>): Result {
  const open: Steps<unknown>[] = [first];
  let given: unknown;
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const { done, value } = at.next(given);
    given = undefined;
    if (done !== true) open.push(value);
    else {
      open.pop();
      given = value;
    }
  }
  return given as Result;
}
