import type { Slot } from '../schedule/slot.js';
import type { SlotObserver, TickObserver } from './tick-ports.js';
import type { TickReport } from './tick-report.js';
import type { TickRunner, TickRunOptions } from './tick-runner.js';

/** What a slot runs when it is let through: one tick, or a tick for each item of a list. */
export interface SlotWork {
  /** Runs the slot, and tells the `SlotObserver`. Never rejects. */
  run(slot: Slot, options: TickRunOptions): Promise<TickReport>;
  /** Reports the end of a slot that was not skipped, once its overlap slot is free. */
  report(report: TickReport): void;
}

export class SingleTick implements SlotWork {
  constructor(
    private readonly runner: TickRunner,
    private readonly slots: SlotObserver,
    private readonly observer: TickObserver,
  ) {}

  async run(slot: Slot, options: TickRunOptions): Promise<TickReport> {
    const report = await this.runner.run(slot, options);
    this.slots.slotRan(report, slot);
    this.slots.tickRan(report, slot);
    return report;
  }

  report(report: TickReport): void {
    this.observer.tickFinished(report);
  }
}
