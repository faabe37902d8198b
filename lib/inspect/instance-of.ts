import type { GraphProvider } from '../graph/index.js';

/** Nest builds a transient once for each provider that injects it, by itself or through other transients. */
export function instanceOf({ id, lifetime }: GraphProvider, owner: GraphProvider): string {
  return lifetime === 'transient' ? `${id} of ${owner.id}` : `${id}`;
}

/** What the transients under a provider are built for. */
export function lifetimeOwner(provider: GraphProvider, owner: GraphProvider): GraphProvider {
  return provider.lifetime === 'transient' ? owner : provider;
}

/** Work that may go deeper than the stack: it yields what it waits for. */
export type Steps<Result> = Generator<Steps<unknown>, Result, unknown>;

/** Takes such work to its end. */
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
