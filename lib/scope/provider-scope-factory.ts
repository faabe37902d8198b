import { runInside } from './ambient.js';
import { OpenScopes } from './open-scopes.js';
import type { ProviderScope } from './provider-scope.js';
import { failureOf, throwAll } from './scope-end.js';

/**
 * Opens scopes by hand: in a loop, a message handler of another library, a script. A singleton may
 * inject it and stays a singleton. Scopes open until the last shutdown hook of the application has run.
 *
 * @publicApi
 */
export class ProviderScopeFactory {
  constructor(private readonly scopes: OpenScopes) {}

  /**
   * Opens a scope that the caller closes: `await using scope = await scopes.open()`, and `close()` when the work
   * has succeeded. A scope that is left open is rolled back and disposed when the application closes: before any
   * `onModuleDestroy`, or, when it was opened during the shutdown, after the last shutdown hook.
   *
   * @param seed.request What `REQUEST` gives in the scope.
   * @throws {ScopeClosedError} when the last shutdown hook of the application has run.
   */
  async open(seed?: { request?: unknown }): Promise<ProviderScope> {
    // Not `this.open`: a decoration of the factory gives another function.
    const opener = ProviderScopeFactory.prototype.open;
    return this.scopes.open({ kind: 'open', request: seed?.request, opener }).handOut();
  }

  /**
   * Runs `work` in a scope of its own and ends the scope with it: commit when it succeeds, rollback when it
   * throws, disposal either way. The shutdown waits for work that had begun before, and for what that work runs; work that
   * other code begins during the shutdown must be awaited in a shutdown hook by whoever began it.
   *
   * @param seed.request What `REQUEST` gives in the scope.
   * @returns what `work` returns.
   * @throws what `work` throws; together with errors of disposal as one `AggregateError`, the error of
   * the work first.
   * @throws {ScopeClosedError} when the last shutdown hook of the application has run.
   */
  async run<T>(
    work: (scope: ProviderScope) => Promise<T> | T,
    seed?: { request?: unknown },
  ): Promise<T> {
    const opener = ProviderScopeFactory.prototype.run;
    const scope = this.scopes.open({ kind: 'run', request: seed?.request, opener });
    let value: T | undefined;
    let thrown: { error: unknown } | undefined;
    try {
      value = await runInside(scope.ambient, () => work(scope));
    } catch (error) {
      thrown = { error };
    }
    throwAll(await scope.end((workErrors) => thrown ?? failureOf(workErrors)));
    return value as T;
  }
}
