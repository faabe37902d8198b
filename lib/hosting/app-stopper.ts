import { Injectable, Logger } from '@nestjs/common';
import { stackOf, textOf } from '../errors/error-text.js';
import { NestInside } from '../nest/index.js';

/** Ends the application because a tick or a background worker failed that has `onFailure: 'stop-app'`. */
@Injectable()
export class AppStopper {
  readonly #logger = new Logger('ScopedWorker');
  #stopping = false;

  constructor(private readonly nest: NestInside) {}

  /**
   * Closes the application with all its hooks, then ends the process: with the exit code that is set, or
   * with 1. Anything that would keep the process alive is left behind.
   *
   * @param culprit For the log: the schedule, or `Class.execute`.
   */
  async stop(culprit: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#logger.fatal(`${culprit} failed and has onFailure 'stop-app': closing the application.`);
    if (!process.exitCode) process.exitCode = 1;
    try {
      await this.nest.closeApplication();
    } catch (error) {
      this.#logger.error(`Closing the application failed: ${textOf(error)}`, stackOf(error));
    }
    process.exit();
  }
}
