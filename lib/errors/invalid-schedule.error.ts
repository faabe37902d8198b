import { StartUpError } from './start-up.error.js';

/**
 * A decorator, one of its options or an override cannot work. Thrown at start-up, before anything is
 * scheduled; names every culprit as `Class.method`.
 *
 * @publicApi
 */
export class InvalidScheduleError extends StartUpError {
  readonly code = 'INVALID_SCHEDULE';

  constructor(problems: readonly string[]) {
    super(problems.join('\n'), problems);
  }
}
