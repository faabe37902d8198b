import type { Slot } from '../schedule/slot.js';
import { isInside, livingContext, WorkContext } from '../scope/work-context.js';
import type { RunningList } from './running-ticks.js';
import type { AbortCause } from './tick-report.js';

/** The ticks of a `forEach` for one slot, as one piece of running work. */
export class TickList implements RunningList {
  readonly done: Promise<void>;
  /** Settles `done`. */
  end!: () => void;
  /** The call of the factory, and the ticks of the items, are part of it. */
  readonly context = new WorkContext(this, livingContext());
  readonly firedAt = new Date();
  isAwaited = true;
  /** Set when no further item may begin. */
  stopped: AbortCause | 'paused' | undefined;

  constructor(readonly slot: Slot) {
    this.done = new Promise((resolve) => (this.end = resolve));
  }

  get label(): string {
    return `${this.slot.schedule.name} (its list)`;
  }

  isInside(): boolean {
    return isInside(this);
  }

  abort(cause: AbortCause): boolean {
    this.beginNoMore(cause);
    return true;
  }

  beginNoMore(cause: AbortCause): void {
    if (this.stopped === undefined || this.stopped === 'paused') this.stopped = cause;
  }

  pause(): void {
    this.stopped ??= 'paused';
  }

  resume(): void {
    if (this.stopped === 'paused') this.stopped = undefined;
  }
}
