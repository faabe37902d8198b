import type { GraphProvider } from '../graph/index.js';

/** Identifies an instance: Nest builds a transient once for each provider that injects it, directly or through other transients. */
export function instanceOf({ id, lifetime }: GraphProvider, owner: GraphProvider): string {
  return lifetime === 'transient' ? `${id} of ${owner.id}` : `${id}`;
}

/** Returns the provider for which Nest builds the transients under a provider. */
export function lifetimeOwner(provider: GraphProvider, owner: GraphProvider): GraphProvider {
  return provider.lifetime === 'transient' ? owner : provider;
}

/** Recursive work that may be deeper than the stack: it yields its nested work. */
export type Steps<Result> = Generator<Steps<unknown>, Result, unknown>;

/** Runs such work to completion. */
export function inSteps<Result>(first: Steps<Result>): Result {
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
