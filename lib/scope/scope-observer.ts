import type { NestWrapper } from '../nest/index.js';

/** What `scope:opened` says. */
export interface ScopeNotice {
  readonly scopeId: string;
  /** The schedule and the tick that the scope was opened for; undefined for a scope by hand. */
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
}

/** What `scope:closed` says. */
export interface ScopeEndNotice extends ScopeNotice {
  readonly built: number;
  readonly disposed: number;
  readonly disposeMs: number;
  readonly disposeErrors: readonly unknown[];
}

/** Is told of every scope; must not throw. Notices are made on demand: mostly nobody listens. */
export abstract class ScopeObserver {
  abstract scopeOpened(notice: () => ScopeNotice): void;
  abstract scopeClosed(notice: () => ScopeEndNotice): void;
  /** Work given to `waitFor` failed, and the scope had already failed by another error. */
  abstract workFailed(notice: ScopeNotice, error: unknown): void;
  /** A disposer failed when nobody waited for it: after its time limit, or on an instance that arrived late. */
  abstract lateDisposeFailed(notice: ScopeNotice, error: unknown): void;
  /** A request-scoped factory gave an object that a static provider holds; told whenever it is seen. */
  abstract handedOut(wrapper: NestWrapper): void;
}
