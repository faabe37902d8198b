import { StartUpError } from './start-up.error.js';

const TEXT =
  'nestjs-scoped-worker needs Nest 11 or 12, but this application runs an older version, which destroys modules on shutdown before running ticks have finished. Upgrade its @nestjs packages.';

/**
 * The application runs a version of Nest that cannot drain: it destroys modules before running ticks have finished.
 *
 * @publicApi
 */
export class UnsupportedNestError extends StartUpError {
  readonly code = 'UNSUPPORTED_NEST';

  constructor() {
    super(TEXT, [TEXT]);
  }
}
