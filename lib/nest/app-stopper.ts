import { Logger } from '@nestjs/common';
import { logError } from '../errors/error-log.js';
import { NestInside } from './index.js';

/** Stops the application after a failure with `onFailure: 'stop-app'`, or before memory runs out. */
export class AppStopper {
  readonly #logger = new Logger('ScopedWorker');
  #stopping = false;

  constructor(private readonly nest: NestInside) {}

  /** @param culprit The schedule, or `Class.execute`. */
  stopAfterFailure(culprit: string): Promise<void> {
    return this.stop(`${culprit} failed and has onFailure 'stop-app'`);
  }

  /**
   * Closes the application with all its hooks, then ends the process with the exit code that is set, or with 1. Doesn't wait for
   * anything that would keep the process alive.
   *
   * @param cause For the log: a clause such as `Reports.send failed`.
   */
  async stop(cause: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#logger.fatal(`${cause}: closing the application.`);
    if (!process.exitCode) process.exitCode = 1;
    try {
      await this.nest.closeApplication();
    } catch (error) {
      logError(this.#logger, 'Closing the application failed', error);
    }
    process.exit();
  }
}
