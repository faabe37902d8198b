import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * Something was asked of a scope that is closed, or of a scope that may no longer build because the
 * application is shutting down. Or a method was called on an instance of a closed scope, under
 * `leakDetection: { strict: true }`: then `cause` has the stack of the closing.
 *
 * @publicApi
 */
export class ScopeClosedError extends ScopedWorkerError {
  readonly code = 'SCOPE_CLOSED';

  constructor(
    /** Id of the scope, or `undefined` when it was never opened. */
    readonly scopeId: string | undefined,
    what: string,
    options?: { cause?: unknown },
  ) {
    super(what, options);
  }
}
