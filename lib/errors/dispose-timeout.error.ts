import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * A disposer did not settle within `disposeTimeoutMs`. The scope went on without it.
 *
 * @publicApi
 */
export class DisposeTimeoutError extends ScopedWorkerError {
  readonly code = 'DISPOSE_TIMEOUT';

  constructor(
    /** What hung, written `Class.method`. */
    readonly disposer: string,
    readonly timeoutMs: number,
  ) {
    super(
      `${disposer} did not settle within disposeTimeoutMs of ${timeoutMs} ms; the scope was closed without waiting for it.`,
    );
  }
}
