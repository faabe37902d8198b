import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * A tick ran longer than its `timeoutMs`. It is the reason of the tick's signal and the error of its
 * report; `cause` is what the handler threw after the abort, when that is another error.
 *
 * @publicApi
 */
export class TickTimeoutError extends ScopedWorkerError {
  readonly code = 'TICK_TIMEOUT';

  constructor(
    readonly schedule: string,
    readonly timeoutMs: number,
    options?: { cause?: unknown },
  ) {
    super(
      `${schedule} ran longer than its timeoutMs of ${timeoutMs} ms. Make the handler follow tick.signal, or raise timeoutMs.`,
      options,
    );
  }
}
