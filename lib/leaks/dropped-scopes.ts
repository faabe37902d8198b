import { performance } from 'node:perf_hooks';
import type { LeakedScope } from '../events/event-map.js';
import type { ContextId } from '../nest/index.js';
import { IS_SCOPE } from '../scope/ownership.js';
import type { ProviderScope, ScopeToken } from '../scope/provider-scope.js';

interface Opened {
  readonly scope: ProviderScope;
  readonly place: string | undefined;
  readonly openedAt: Date;
  readonly startedAt: number;
}

/** Finds scopes by hand whose handle was collected before they were closed. The shutdown disposes them. */
export class DroppedScopes {
  readonly #handles: FinalizationRegistry<Opened>;

  constructor(told: (leaked: LeakedScope) => void) {
    this.#handles = new FinalizationRegistry(({ scope, place, openedAt, startedAt }) => {
      if (scope.closed) return; // dropped while it closes, as by `void scope.close()`
      const ageMs = performance.now() - startedAt;
      told({ scopeId: scope.id, place, openedAt, ageMs });
    });
  }

  /** @returns the handle, to which only the caller may keep a reference. */
  handOut(scope: ProviderScope, place: string | undefined): ProviderScope {
    const handle = new ScopeHandle(scope);
    const opened = { scope, place, openedAt: new Date(), startedAt: performance.now() };
    this.#handles.register(handle, opened, scope);
    return handle;
  }

  retired(scope: ProviderScope): void {
    this.#handles.unregister(scope);
  }
}

/**
 * The scope that the caller of `ProviderScopeFactory.open()` receives. The library holds no reference to it: once it is
 * collected, nobody can close the scope any more.
 */
class ScopeHandle implements ProviderScope {
  readonly #scope: ProviderScope;

  constructor(scope: ProviderScope) {
    this.#scope = scope;
  }

  get [IS_SCOPE](): true {
    return true;
  }

  get id(): string {
    return this.#scope.id;
  }

  get contextId(): ContextId {
    return this.#scope.contextId;
  }

  get closed(): boolean {
    return this.#scope.closed;
  }

  resolve<T = unknown>(token: ScopeToken<T>, options?: { strict?: boolean }): Promise<T> {
    return this.#scope.resolve(token, options);
  }

  defer(cleanup: () => unknown): void {
    this.#scope.defer(cleanup);
  }

  onCommit(hook: () => unknown): void {
    this.#scope.onCommit(hook);
  }

  onRollback(hook: (error: unknown) => unknown): void {
    this.#scope.onRollback(hook);
  }

  waitFor(work: PromiseLike<unknown>): void {
    this.#scope.waitFor(work);
  }

  close(): Promise<void> {
    return this.#scope.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }

  toJSON(): object {
    return { id: this.id, closed: this.closed };
  }
}
