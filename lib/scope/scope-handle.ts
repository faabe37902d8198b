import { combined } from '../errors/error-parts.js';
import { ScopeClosedError } from '../errors/errors.js';
import type { ContextId } from '../nest/index.js';
import { IS_SCOPE } from './ownership.js';
import type { OpenedScope, ScopeToken } from './provider-scope.interface.js';
import { failureOf, type Scope } from './scope.js';
import type { ScopeEnd } from './scope-ports.js';
import { isInside } from './work-context.js';

/**
 * The scope that the caller of `ProviderScopeFactory.open()` receives. The library holds no reference to this handle, so once the
 * handle is garbage-collected, no code can close the scope anymore.
 */
export class ScopeHandle implements OpenedScope {
  readonly #scope: Scope;

  constructor(scope: Scope) {
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

  async complete(): Promise<void> {
    if (this.#scope.ending !== undefined && isInside(this.#scope)) return;
    throwAll(await this.#scope.end(failureOf));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rollBackScope(this.#scope);
  }

  toJSON(): object {
    return { id: this.id, closed: this.closed };
  }
}

/** Rolls back and disposes a standalone scope, unless it has ended or is ending. */
export async function rollBackScope(scope: Scope): Promise<void> {
  // If the scope is already ending, the caller of `complete()` receives the errors.
  if (scope.ending !== undefined) return isInside(scope) ? undefined : void (await scope.ending);
  const error = new ScopeClosedError(
    scope.id,
    `Scope ${scope.id} was disposed before complete() was called, so its work is rolled back.`,
  );
  throwAll(await scope.end((others) => ({ thrown: { error }, others })), error);
}

/**
 * Throws the errors of a standalone scope: a single one unchanged, several as one `AggregateError` with the error of the work
 * first.
 *
 * @param known an error that the caller itself created, so it isn't thrown.
 */
export function throwAll(end: ScopeEnd, known?: unknown): void {
  const errors = end.failure === undefined ? [] : [end.failure.error];
  errors.push(...end.disposeErrors);
  const unknown = errors.filter((error) => known === undefined || error !== known);
  if (unknown.length > 0) throw combined(unknown);
}
