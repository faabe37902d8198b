import { AsyncResource } from 'node:async_hooks';
import type { Slot } from '../schedule/slot.js';
import type { SkipReason, TickReport } from './tick-report.js';

interface Waiting {
  readonly slot: Slot;
  start(): void;
  skip(reason: SkipReason): void;
}

/**
 * Decides what a slot does that is due while a tick of its schedule runs. The guard is a count of what
 * runs, so it never expires while a handler runs, however long.
 */
export class OverlapGate {
  #running = 0;
  #buffered: Waiting | undefined;

  /**
   * Runs the slot now, later or never, as `overlap` of its schedule says.
   *
   * @param run must not reject.
   * @param skip makes the report of a slot that does not run.
   */
  pass(
    slot: Slot,
    run: () => Promise<TickReport>,
    skip: (reason: SkipReason) => TickReport,
  ): Promise<TickReport> {
    const { overlap } = slot.schedule.options;
    if (this.#running === 0 || overlap === 'allow') return this.run(run);
    if (overlap === 'skip') return Promise.resolve(skip('overlap'));
    this.#buffered?.skip('merged');
    return new Promise((resolve) => {
      this.#buffered = {
        slot,
        // Not in the AsyncLocalStorage context of the tick that it waited for.
        start: AsyncResource.bind(() => resolve(this.run(run))),
        skip: (reason) => resolve(skip(reason)),
      };
    });
  }

  /** Drops what waits. */
  clear(reason: SkipReason): void {
    this.#buffered?.skip(reason);
    this.#buffered = undefined;
  }

  private async run(run: () => Promise<TickReport>): Promise<TickReport> {
    this.#running += 1;
    const report = await run();
    this.#running -= 1;
    if (this.#running === 0) {
      const next = this.#buffered;
      this.#buffered = undefined;
      next?.start();
    }
    return report;
  }
}
