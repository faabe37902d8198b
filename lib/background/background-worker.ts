import { IS_BACKGROUND_WORKER } from '../discovery/background-explorer.js';
import type { BackgroundFailurePolicy } from '../discovery/background-findings.js';

export type { BackgroundFailurePolicy };

/**
 * A loop that lives as long as the application, after .NET's `BackgroundService`. Extend it, mark the class
 * `@Injectable()`, and add it to the providers of a module.
 *
 * It is a singleton: for what must be new in each iteration, inject `ProviderScopeFactory` and open a scope.
 *
 * @publicApi
 */
export abstract class BackgroundWorker {
  /**
   * The name of the worker in logs and events, read once, at start-up. If a module that is imported more than once provides the
   * class, set it to tell the workers apart: `` override readonly name = `sync ${this.tenant}` ``. Workers of the same name are
   * numbered in the order of the imports: `Sync` and `Sync#2`.
   *
   * @defaultValue the name of the class; of several factories for one class, their tokens
   */
  declare readonly name?: string;

  /**
   * What happens when `execute` throws or rejects; it is reported in any case. `'restart'`: it is called again, after 1 second
   * at first, then twice as long each time up to 60 seconds; after a run of more than 60 seconds the wait is 1 second again.
   * `'stop-app'`: the application is closed and the process ends. `'ignore'`: nothing.
   *
   * @defaultValue 'restart'
   */
  readonly onFailure: BackgroundFailurePolicy = 'restart';

  /**
   * Called when start-up is complete, in an empty AsyncLocalStorage context. When it returns, the worker is done: it is not
   * called again.
   *
   * @param stopping Aborted when the application shuts down and the listeners of `shutdown:started` have finished. The shutdown
   * then waits for `execute` until `shutdownTimeoutMs` is over. An error that `execute` throws because of the abort isn't a
   * failure. After a failure, `stopping` is aborted too, to end everything that the failed run left behind, and the next run
   * receives a new signal.
   */
  abstract execute(stopping: AbortSignal): Promise<void>;

  /** @internal */
  get [IS_BACKGROUND_WORKER](): true {
    return true;
  }
}
