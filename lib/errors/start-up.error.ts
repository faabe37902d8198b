import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * The base of the errors that stop start-up. Every class lists everything that is wrong in `problems`. `registry.add()` and
 * `PeriodicTimer` throw the same classes at run time.
 *
 * @publicApi
 */
export abstract class StartUpError extends ScopedWorkerError {
  constructor(
    message: string,
    /** One entry for each problem: where it is, what is wrong, and what to write instead. */
    readonly problems: readonly string[],
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
