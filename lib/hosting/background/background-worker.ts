import { IS_BACKGROUND_WORKER } from '../../discovery/background-explorer.js';
import type { BackgroundFailurePolicy } from '../../discovery/background-findings.js';

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
   * Names the worker in logs and events; read once, at start-up. Set it where a module that is imported more than once
   * provides the class, to tell its workers apart: `` override readonly name = `sync ${this.tenant}` ``. Two workers of one name
   * are numbered, as `Sync` and `Sync#2`, in the order of the imports.
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
   * @param stopping Aborted when the application shuts down and the listeners of `shutdown:started` are done; the shutdown then waits for `execute` until `shutdownTimeoutMs`
   * is over; what it throws because of the abort is no failure. After a failure it is aborted too, and the next run
   * gets a new one: what the failed run has left behind should end.
   */
  abstract execute(stopping: AbortSignal): Promise<void>;

  /** @internal */
  get [IS_BACKGROUND_WORKER](): true {
    return true;
  }
}
