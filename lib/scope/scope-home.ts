import type { ContextId, NestInside, NestModule, NestWrapper } from '../nest/index.js';
import type { Ownership } from './ownership.js';
import type { ScopeEnd } from './scope-end.js';
import type { ScopeObserver } from './scope-observer.js';

/** How a scope is ended: by the runner of a tick, by `ProviderScopeFactory.run()`, or by hand. */
export type ScopeKind = 'tick' | 'run' | 'open';

export interface ScopeSeed {
  readonly kind: ScopeKind;
  readonly id: string;
  /** Where a strict resolve looks. */
  readonly module: NestModule;
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
}

/** Where scopes live: what one asks of the application. */
export interface ScopeHome<Scope> {
  readonly nest: NestInside;
  readonly ownership: Ownership;
  readonly observer: ScopeObserver;
  readonly disposeTimeoutMs: number;
  /** Takes an ended scope off the list. */
  retire(scope: Scope, end: ScopeEnd): void;
  /** Waits until nothing is being built under a context id any more. */
  quiesce(contextId: ContextId): Promise<void>;
  /**
   * Finds what was built for a scope since the last scan, for versions of Nest whose builds cannot be watched.
   *
   * @throws the first error of `found`, when all have been found.
   */
  scanBuilt(
    scope: Scope,
    found: (instance: object, wrapper: NestWrapper) => unknown,
  ): Promise<void>;
}
