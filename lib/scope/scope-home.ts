import type { ContextId, NestInside } from '../nest/index.js';
import type { Ownership } from './ownership.js';
import type { ScopeEnd } from './scope-end.js';
import type { ScopeObserver } from './scope-observer.js';
import type { ScopeWatch } from './scope-watch.js';

/** Where scopes live: what one asks of the application. */
export interface ScopeHome<Scope> {
  readonly nest: NestInside;
  readonly ownership: Ownership;
  readonly observer: ScopeObserver;
  readonly watch: ScopeWatch;
  readonly disposeTimeoutMs: number;
  /** Takes an ended scope off the list. */
  retire(scope: Scope, end: ScopeEnd): void;
  /** Waits until nothing is being built under a context id any more. */
  quiesce(contextId: ContextId): Promise<void>;
}
