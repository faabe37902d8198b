import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * Two schedules carry one name. Thrown at start-up, before anything is scheduled.
 *
 * @publicApi
 */
export class DuplicateScheduleError extends ScopedWorkerError {
  readonly code = 'DUPLICATE_SCHEDULE';

  /** One sentence for each name that is used twice. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
