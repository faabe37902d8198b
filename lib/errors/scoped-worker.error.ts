import type { ErrorCode } from './error-codes.js';

/**
 * Base of every error that this library throws on its own account. An error of the application (a
 * constructor, a handler, a disposer) is never wrapped in it.
 *
 * @publicApi
 */
export abstract class ScopedWorkerError extends Error {
  abstract readonly code: ErrorCode;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}
