import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * Base of the errors with which this library refuses to start: everything that is wrong is in one list, whatever the class.
 * Where the same is asked for at run time (`registry.add()`, a `PeriodicTimer`), the same classes are thrown there.
 *
 * @publicApi
 */
export abstract class StartUpError extends ScopedWorkerError {
  constructor(
    message: string,
    /** One entry for each thing that is wrong: who, what, and what to write instead. */
    readonly problems: readonly string[],
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
