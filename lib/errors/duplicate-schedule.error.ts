import { StartUpError } from './start-up.error.js';

/**
 * Two schedules carry one name. Thrown at start-up, before anything is scheduled.
 *
 * @publicApi
 */
export class DuplicateScheduleError extends StartUpError {
  readonly code = 'DUPLICATE_SCHEDULE';

  constructor(problems: readonly string[]) {
    super(problems.join('\n'), problems);
  }
}
