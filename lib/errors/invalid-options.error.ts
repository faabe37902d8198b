import { StartUpError } from './start-up.error.js';

/**
 * The options of `ScopedWorkerModule` or a `BackgroundWorker` cannot work, or two imports of the module disagree: thrown at
 * start-up. Or the options of a `PeriodicTimer`: thrown by its constructor or by an assignment. Or the arguments of a call, such
 * as `events.on()`, which throws it, and `registry.run()`, whose promise rejects.
 *
 * @publicApi
 */
export class InvalidOptionsError extends StartUpError {
  readonly code = 'INVALID_OPTIONS';

  constructor(problems: readonly string[], options?: { cause?: unknown }) {
    super(problems.join('\n'), problems, options);
  }
}

/**
 * Refuses an invalid argument of a call.
 *
 * @throws {InvalidOptionsError} if there is a problem; each of its sentences begins with `call`.
 */
export function refuseInvalid(call: string, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new InvalidOptionsError(problems.map((problem) => `${call}: ${problem}.`));
}
