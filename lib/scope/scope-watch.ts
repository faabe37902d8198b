import type { NestWrapper } from '../nest/index.js';
import type { ProviderScope } from './provider-scope.js';
import type { ScopeSeed } from './scope-observer.js';

/** Follows what outlives its scope; asked for each scope, and must cost nothing while it is not wanted. Must not throw. */
export abstract class ScopeWatch {
  /** Called on the stack of whoever opens the scope. @returns undefined for a scope that is not followed. */
  abstract opened(seed: ScopeSeed): WatchedScope | undefined;
}

/** Is told of one scope. */
export interface WatchedScope {
  /**
   * Gives what is injected in place of an instance; undefined while all is injected as it is.
   *
   * @param isOwn is asked for what was not replaced before: only what the scope owns is.
   */
  readonly guard:
    ((instance: object, wrapper: NestWrapper, isOwn: () => boolean) => object) | undefined;
  /** The instance behind what `guard` gave. */
  bare(injected: object): object;
  /** What the caller of `ProviderScopeFactory.open()` gets. */
  handOut(scope: ProviderScope): ProviderScope;
  /** Something was built that the scope owns. */
  built(instance: object, wrapper: NestWrapper): void;
  /** The end has begun; called on the stack of whoever ends the scope, by `callee`. */
  ending(callee: Function): void;
  /** The scope is closed. */
  ended(): void;
}
