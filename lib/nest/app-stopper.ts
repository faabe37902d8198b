import { Logger } from '@nestjs/common';
import { logError } from '../errors/error-log.js';
import { Latch } from '../util/latch.js';
import { MAX_TIMER_MS } from '../util/option-checks.js';
import { within } from '../util/within.js';
import { NestInside } from './index.js';

/** The time allowed for the application's own hooks and its HTTP server to finish after the drain. */
const HOOKS_MS = 10_000;

/** Stops the application after a failure with `onFailure: 'stop-app'`, or before memory runs out. */
export class AppStopper {
  readonly #logger = new Logger('ScopedWorker');
  readonly #exited = new Latch();
  #stopping = false;

  constructor(
    private readonly nest: NestInside,
    private readonly settings: { readonly shutdownTimeoutMs: number },
  ) {}

  /** True once the library itself is closing the application. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  /** Resolves when the library calls `process.exit()`. Code that awaits it continues only if a test has replaced that function. */
  get exited(): Promise<void> {
    return this.#exited.opened;
  }

  /** Stops the application after a failure. @param culprit the schedule, or `Class.execute`. */
  stopAfterFailure(culprit: string): Promise<void> {
    return this.stop(`${culprit} failed and has onFailure 'stop-app'`);
  }

  /**
   * Closes the application, which runs all its hooks. Then ends the process with the exit code that is already set, or with 1.
   * Waits at most `shutdownTimeoutMs` plus 10 s for the application to close. Doesn't wait for anything else that keeps the
   * process alive.
   *
   * @param cause for the log: a clause such as `Reports.send failed`.
   */
  async stop(cause: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (!process.exitCode) process.exitCode = 1;
    this.log(() => this.#logger.fatal(`${cause}: closing the application.`));
    try {
      const limitMs = Math.min(this.settings.shutdownTimeoutMs + HOOKS_MS, MAX_TIMER_MS);
      await within(this.nest.closeApplication(), limitMs, () => new Error(hung(limitMs)));
    } catch (error) {
      this.log(() => logError(this.#logger, 'Closing the application failed', error));
    }
    this.exit();
  }

  /**
   * Ends the process if the library is closing the application. Called after the last shutdown hook, whichever `close()` ran it.
   */
  closed(): void {
    if (this.#stopping) this.exit();
  }

  private exit(): void {
    if (this.#exited.isOpen) return;
    this.#exited.open();
    process.exit();
  }

  private log(write: () => void): void {
    try {
      write();
    } catch {
      // The application's logger threw, and there is no other place to report that.
    }
  }
}

function hung(limitMs: number): string {
  return `The application did not close within ${limitMs} ms, so the process ends now. Look for a shutdown hook that never settles, or for an HTTP response that stays open (forceCloseConnections closes it).`;
}
