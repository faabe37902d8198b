import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * A schedule was asked for under a name that no schedule has.
 *
 * @publicApi
 */
export class UnknownScheduleError extends ScopedWorkerError {
  readonly code = 'UNKNOWN_SCHEDULE';

  constructor(
    /** The name that was asked for. */
    readonly schedule: string,
    /** The names that exist. */
    readonly known: readonly string[],
    hint?: string,
  ) {
    const names = known.length === 0 ? 'there are none' : known.join(', ');
    super(
      `No schedule is named "${schedule}". ${hint ?? `Use one of the names that exist: ${names}.`}`,
    );
  }
}
