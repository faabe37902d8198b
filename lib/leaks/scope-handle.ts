import type { ContextId } from '../nest/index.js';
import { IS_SCOPE } from '../scope/ownership.js';
import type { ProviderScope, ScopeToken } from '../scope/provider-scope.js';

/**
 * What the caller of `ProviderScopeFactory.open()` holds of a scope that is followed. Nothing of the library holds it:
 * when it is collected, nobody can close the scope any more.
 */
export class ScopeHandle implements ProviderScope {
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
