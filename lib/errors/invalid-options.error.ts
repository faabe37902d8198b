import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * The options of `ScopedWorkerModule` or a `BackgroundWorker` cannot work, or two imports of the module disagree: thrown at
 * start-up. Or those of a `PeriodicTimer`: thrown where it is made or changed. Or those of `ProviderScopeFactory.run()` and
 * `registry.exclusive()`: their promise rejects.
 *
 * @publicApi
 */
export class InvalidOptionsError extends ScopedWorkerError {
  readonly code = 'INVALID_OPTIONS';

  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: { cause?: unknown }) {
    super(problems.join('\n'), options);
    this.problems = problems;
  }
}
