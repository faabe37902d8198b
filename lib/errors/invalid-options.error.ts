import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * The options of `ScopedWorkerModule` cannot work, or two imports of it disagree. Thrown at start-up.
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
