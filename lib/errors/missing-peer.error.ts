import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * An optional package that a feature needs is not installed.
 *
 * @publicApi
 */
export class MissingPeerError extends ScopedWorkerError {
  readonly code = 'MISSING_PEER';

  constructor(
    /** What needs the package. */
    readonly feature: string,
    /** The packages to install. */
    readonly packages: readonly string[],
    options?: { cause?: unknown },
  ) {
    super(
      `${feature} needs ${packages.join(' and ')}. Run: npm install ${packages.join(' ')}`,
      options,
    );
  }
}
