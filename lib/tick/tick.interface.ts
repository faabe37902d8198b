import type { Trigger } from '../schedule/slot.js';
import type { ProviderScope } from '../scope/provider-scope.interface.js';

/**
 * One firing of a schedule, and the handler's first argument. `@InjectTick()` and `@Inject(REQUEST)` inject
 * it into the worker and everything that the worker depends on.
 *
 * @publicApi
 */
export interface Tick<P = unknown> {
  /** An id that is unique in the process. It appears in logs, events and reports. */
  readonly id: string;
  /** The name of the schedule. */
  readonly schedule: string;
  readonly trigger: Trigger;
  /** When the tick was due. Together with the schedule, this time identifies the slot. */
  readonly scheduledAt: Date;
  /** When the tick fired. Jitter, a wait for the previous tick or a blocked event loop can make this later than `scheduledAt`. */
  readonly firedAt: Date;
  /** The time from `scheduledAt` to `firedAt`, in milliseconds. */
  readonly latenessMs: number;
  /** The number of the attempt, starting at 1. Each attempt has its own `Tick` and scope. */
  readonly attempt: number;
  /**
   * Aborted by a timeout, by `registry.cancel()`, by `overlap: 'cancel-other'` or by the application's shutdown. If a listener
   * throws, the library logs the error, and the other listeners still run.
   */
  readonly signal: AbortSignal;
  readonly scope: ProviderScope;
  /**
   * The body of a message, an item of `forEach`, or the `payload` of `registry.run()`, of `registry.add()`, or of
   * `ProviderScopeFactory.run()` with a name.
   */
  readonly payload: P;
}
