import type { ContextId } from '@nestjs/core';

/** A token of Nest: a class, an abstract class, a string or a symbol. */
export type ScopeToken<T> = (abstract new (...args: never[]) => T) | string | symbol | Function;

/**
 * The provider instances that are built for one attempt of a tick, or for one piece of standalone work. They are built under one
 * Nest context id, and disposed together.
 *
 * @publicApi
 */
export interface ProviderScope {
  /** The id of the scope, unique in the process. It appears in logs, events and reports. */
  readonly id: string;
  /** The context id for `ModuleRef.resolve(token, contextId)`; instances that this call resolves belong to the scope too. */
  readonly contextId: ContextId;
  /** True once the scope refuses to build providers; disposal may still be in progress. */
  readonly closed: boolean;
  /**
   * Returns the scope's instance of a provider, and builds it on the first call. Returns a singleton unchanged. If several
   * modules provide the token, the module that Nest registered last is used.
   *
   * @param options.strict looks only in the providers of the worker's own module (the root module, for a standalone scope).
   * Default: false.
   * @throws {ScopeClosedError} when the scope is closed or closes in the meantime, when the shutdown has aborted the tick, or
   * after the last shutdown hook.
   * @throws the error of the provider's constructor, factory or `onScopeInit`, unwrapped.
   */
  resolve<T = unknown>(token: ScopeToken<T>, options?: { strict?: boolean }): Promise<T>;
  /**
   * Runs `cleanup` when the scope is disposed, among the disposers, newest first. The library awaits it for at most
   * `disposeTimeoutMs`.
   *
   * @throws {ScopeClosedError} when disposal has begun.
   */
  defer(cleanup: () => unknown): void;
  /**
   * Calls and awaits `hook` if the work succeeds. The hook runs among the `onScopeCommit` hooks of providers, most recently
   * registered first. So it runs before the `COMMIT` of a scoped repository, unless it was registered before that repository was
   * built. If `hook` throws, the tick fails in the `commit` phase, and everything that hasn't committed yet is rolled back.
   *
   * @throws {ScopeClosedError} if the work has settled, because the scope has already decided whether it commits.
   */
  onCommit(hook: () => unknown): void;
  /**
   * Calls and awaits `hook` if the work fails, is cancelled or times out, or if a commit fails. The hook runs among the
   * `onScopeRollback` hooks of providers, most recently registered first. If `hook` throws, the error is added to `disposeErrors`.
   *
   * @param hook receives the error.
   * @throws {ScopeClosedError} if the work has settled, because the scope has already decided whether it rolls back.
   */
  onRollback(hook: (error: unknown) => unknown): void;
  /**
   * Delays disposal until `work` has settled. A rejection makes the tick fail. If the handler has failed too, the tick fails with
   * the handler's error. The library then logs the error of `work`, unless it is the tick's abort error.
   *
   * @throws {TypeError} if `work` isn't a promise, for example if it is a function that returns one.
   * @throws {ScopeClosedError} when disposal has begun.
   */
  waitFor(work: PromiseLike<unknown>): void;
}

/**
 * A scope that you opened with `ProviderScopeFactory.open()`. Complete it when its work has succeeded. Otherwise, the work is
 * rolled back when the scope is disposed: the end of a block doesn't show whether the work succeeded.
 *
 * @example
 * await using scope = await scopes.open();
 * await (await scope.resolve(Importer)).import();
 * await scope.complete();
 * @publicApi
 */
export interface OpenedScope extends ProviderScope, AsyncDisposable {
  /**
   * Waits for `waitFor` work, calls `onScopeCommit`, and disposes everything, newest first. Further calls, even concurrent
   * ones, have the same result. In a hook or a disposer of this scope, the promise resolves immediately.
   *
   * @throws the error of a commit hook, of `waitFor` work or of a disposer; several as one `AggregateError`.
   */
  complete(): Promise<void>;
  /** Rolls back and disposes the scope, unless `complete()` was called. Runs at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Hooks that a provider of a scope may have. The library finds them by name: you don't register them.
 *
 * @publicApi
 */
export interface ScopeHooks {
  /**
   * Awaited after construction, before anything that depends on the provider is built. Don't resolve such a dependent here: it
   * would receive the unprepared provider or, if its build has already begun, wait for this hook.
   */
  onScopeInit?(): unknown;
  /**
   * Awaited when the work has succeeded, before any disposer; newest provider first. The transaction of a `ScopedTypeOrmModule`
   * commits after the hooks of all other providers, unless `scope.onCommit()` was called before the transaction's connection was
   * built. If this hook throws, the tick fails, and the library calls `onScopeRollback` on this provider and on those that haven't
   * committed, newest first.
   *
   * Return `'committed'` if the work is durable now, as a provider that holds a database transaction does. If a later commit hook
   * fails, the tick isn't retried, because a retry would repeat that work.
   */
  onScopeCommit?(): unknown;
  /**
   * Awaited if the work fails, is cancelled or times out, or if a commit fails; before any disposer, newest provider first. A
   * provider whose own commit failed may be partly committed: roll back everything that is still open.
   */
  onScopeRollback?(error: unknown): unknown;
}
