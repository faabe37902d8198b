import { AsyncResource } from 'node:async_hooks';
import type { Slot } from '../schedule/slot.js';
import { isInsideTickOf } from './tick.js';
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
    // Buffered, a tick that runs its own schedule would wait for itself.
    if (overlap === 'skip' || isInsideTickOf(slot.schedule.name))
      return Promise.resolve(skip('overlap'));
    // What was asked for by hand is not merged into what is merely due.
    const isAsked = slot.trigger === 'manual';
    if (this.#buffered?.slot.trigger === 'manual' && !isAsked)
      return Promise.resolve(skip('merged'));
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

  /** Drops what waits. What was asked for by hand survives a pause. */
  clear(reason: SkipReason): void {
    if (reason === 'paused' && this.#buffered?.slot.trigger === 'manual') return;
    this.#buffered?.skip(reason);
    this.#buffered = undefined;
  }

  private async run(run: () => Promise<TickReport>): Promise<TickReport> {
    this.#running += 1;
    try {
      return await run();
    } finally {
      this.#running -= 1;
      this.next();
    }
  }

  private next(): void {
    if (this.#running === 0) {
      const next = this.#buffered;
      this.#buffered = undefined;
      next?.start();
    }
  }
}
