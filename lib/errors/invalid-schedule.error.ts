import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * A decorator, one of its options or an override cannot work. Thrown at start-up, before anything is
 * scheduled; names every culprit as `Class.method`.
 *
 * @publicApi
 */
export class InvalidScheduleError extends ScopedWorkerError {
  readonly code = 'INVALID_SCHEDULE';

  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
