import { IS_BACKGROUND_WORKER } from '../discovery/background-explorer.js';
import type { BackgroundFailurePolicy } from '../discovery/background-findings.js';

export type { BackgroundFailurePolicy };

/**
 * Runs a loop for the life of the application, like .NET's `BackgroundService`. Extend this class, mark the subclass
 * `@Injectable()`, and add it to the providers of a module.
 *
 * The worker is a singleton. If an iteration needs new instances, inject `ProviderScopeFactory` and open a scope.
 *
 * @publicApi
 */
export abstract class BackgroundWorker {
  /**
   * The name of the worker in logs and events. The library reads it once, at start-up. Set it if a module that is imported more
   * than once provides the class: `` override readonly name = `sync ${this.tenant}` ``. Workers with the same name are numbered
   * in the order of the imports: `Sync` and `Sync#2`.
   *
   * @defaultValue the name of the class, or the token if several factories provide it
   */
  declare readonly name?: string;

  /**
   * Decides what the library does when `execute` throws or rejects. The library always reports the failure. `'restart'` calls
   * `execute` again: after 1 second, then after twice as long each time, up to 60 seconds. After a run of more than 60 seconds, the
   * wait is 1 second again. `'stop-app'` closes the application and ends the process. `'ignore'` does nothing.
   *
   * @defaultValue 'restart'
   */
  readonly onFailure: BackgroundFailurePolicy = 'restart';

  /**
   * Contains the loop. The library calls this method when start-up is complete, in an empty AsyncLocalStorage context. When the
   * method returns, the worker is done, and the library doesn't call it again.
   *
   * @param stopping is aborted when the application shuts down and the listeners for `shutdown:started` have finished. The shutdown
   * then waits for `execute` until `shutdownTimeoutMs` has elapsed. An error that `execute` throws because of the abort isn't a
   * failure. After a failure, `stopping` is aborted too, to end everything that the failed run left behind. The next run receives a
   * new signal.
   */
  abstract execute(stopping: AbortSignal): Promise<void>;

  /** @internal */
  get [IS_BACKGROUND_WORKER](): true {
    return true;
  }
}
