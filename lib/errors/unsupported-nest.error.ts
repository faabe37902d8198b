import { StartUpError } from './start-up.error.js';

/**
 * The library can't work with the installed version of Nest: it can't drain, or can't see what to dispose.
 *
 * @publicApi
 */
export class UnsupportedNestError extends StartUpError {
  readonly code = 'UNSUPPORTED_NEST';

  /** @param reason a clause that says why, and a sentence that says what to do. */
  constructor(reason: string) {
    const text = `nestjs-scoped-worker needs Nest 11 or 12, but ${reason}.`;
    super(text, [text]);
  }
}
