import { AsyncResource } from 'node:async_hooks';
import type { Slot } from '../schedule/slot.js';
import { Ambient, isInsideAwaited, livingAmbient, runInside } from '../scope/ambient.js';
import { onAbort } from '../time/on-abort.js';
import { isInsideSlot } from './tick.js';
import type { SkipReason, TickReport } from './tick-report.js';

interface Waiting {
  readonly slot: Slot;
  /** Whether the next one of its schedule takes its place. */
  readonly canMerge: boolean;
  start(): void;
  /** Undefined for work that is never skipped. */
  readonly skip?: (reason: SkipReason) => void;
}

/** What a slot asks of the gate. */
export interface GatedSlot {
  readonly slot: Slot;
  /** Must not reject. */
  run(): Promise<TickReport>;
  /** Makes the report of a slot that does not run. */
  skip(reason: SkipReason): TickReport;
}

/**
 * Decides what a slot does that is due while as many ticks run as may. It serves one schedule, or those that share
 * an `overlapKey`. The guard is a count of what runs, so it never expires while a handler runs, however long.
 */
export class OverlapGate {
  readonly #running: Slot[] = [];
  #waiting: Waiting[] = [];
  /** How much work of `hold()` runs, one inside the other: nothing begins beside it. */
  #holders = 0;

  constructor(
    /** Aborts what runs of a slot, for `'cancel-other'`. */
    private readonly abort: (slot: Slot) => void,
  ) {}

  /** Runs the slot now, later or never, as `overlap` of its schedule says. */
  pass(gated: GatedSlot): Promise<TickReport> {
    const { slot } = gated;
    const { overlap } = slot.schedule.options;
    const hasRoom = this.#running.length < limitOf(slot);
    const isClaimed = this.#holders > 0 || this.#waiting.some(isHold);
    if (hasRoom && !isClaimed) return this.run(slot, gated.run);
    // Waiting, a tick that runs its own schedule would wait for itself.
    if (this.#running.some(isInsideSlot))
      return hasRoom ? this.run(slot, gated.run) : Promise.resolve(gated.skip('overlap'));
    const canMerge = slot.isCatchUp !== true && overlap !== 'allow';
    if (canMerge) {
      if (overlap === 'skip') return Promise.resolve(gated.skip('overlap'));
      const merged = this.#waiting.find((other) => other.canMerge && isSame(other.slot, slot));
      // What was asked for by hand is not merged into what is merely due.
      if (merged?.slot.trigger === 'manual' && slot.trigger !== 'manual')
        return Promise.resolve(gated.skip('merged'));
      if (merged !== undefined) {
        this.#waiting.splice(this.#waiting.indexOf(merged), 1);
        merged.skip!('merged');
      }
    }
    const report = this.wait(gated, canMerge);
    if (overlap === 'cancel-other') this.makeRoomFor(slot);
    return report;
  }

  /**
   * Runs work exclusively: it waits its turn and is never skipped. Inside work that already runs, such as a tick that holds the
   * gate, it runs at once.
   *
   * @param signal ends the wait: the promise then rejects with the reason of the signal.
   */
  async hold<T>(slot: Slot, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const run = async (): Promise<T> => {
      const holder = { slot, isAwaited: isInsideAwaited() };
      const ambient = new Ambient<unknown>(holder, livingAmbient(), false);
      this.#holders += 1;
      try {
        return await runInside(ambient, work);
      } finally {
        ambient.scope = undefined;
        this.#holders -= 1;
      }
    };
    // Counted as well: it may outlast what it is inside of, when nobody awaits it there.
    if (this.#running.length === 0 || this.#running.some(isInsideSlot)) return this.run(slot, run);
    return new Promise<T>((resolve, reject) => {
      let unfollow = (): void => undefined;
      const waiting: Waiting = {
        slot,
        canMerge: false,
        start: AsyncResource.bind(() => {
          unfollow();
          resolve(this.run(slot, run));
        }),
      };
      this.#waiting.push(waiting);
      if (signal === undefined) return;
      unfollow = onAbort(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        unfollow();
        reject(signal.reason as Error);
        this.startWaiting();
      });
    });
  }

  get isIdle(): boolean {
    return this.#running.length === 0 && this.#waiting.length === 0;
  }

  /** Drops what waits, of one schedule or of all. What was asked for by hand survives a pause. */
  clear(reason: SkipReason, schedule?: string): void {
    const isDropped = ({ slot, skip }: Waiting): boolean =>
      skip !== undefined &&
      (schedule === undefined || slot.schedule.name === schedule) &&
      !(reason === 'paused' && slot.trigger === 'manual');
    const dropped = this.#waiting.filter(isDropped);
    this.#waiting = this.#waiting.filter((waiting) => !isDropped(waiting));
    for (const waiting of dropped) waiting.skip!(reason);
  }

  private wait({ slot, run, skip }: GatedSlot, canMerge: boolean): Promise<TickReport> {
    return new Promise((resolve) => {
      this.#waiting.push({
        slot,
        canMerge,
        // Not in the AsyncLocalStorage context of the tick that it waited for.
        start: AsyncResource.bind(() => resolve(this.run(slot, run))),
        skip: (reason) => resolve(skip(reason)),
      });
    });
  }

  private async run<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
    this.#running.push(slot);
    try {
      return await work();
    } finally {
      this.#running.splice(this.#running.indexOf(slot), 1);
      this.startWaiting();
    }
  }

  /** In their order; a tick that may not run yet does not hold up another schedule that may, as work of `hold()` does. */
  private startWaiting(): void {
    for (const waiting of this.#waiting.slice()) {
      if (this.#holders > 0) return;
      if (this.#running.length >= limitOf(waiting.slot)) {
        if (isHold(waiting)) return;
        continue;
      }
      const at = this.#waiting.indexOf(waiting);
      if (at < 0) continue;
      this.#waiting.splice(at, 1);
      waiting.start();
    }
  }

  /** Aborts the oldest ones that stand in the way. Of slots that are made up for together, none takes another's place. */
  private makeRoomFor(slot: Slot): void {
    const tooMany = Math.max(this.#running.length - limitOf(slot) + 1, 0); // none is: it waits for work of `hold()`
    const others = this.#running.filter(({ isCatchUp }) => !(slot.isCatchUp && isCatchUp));
    for (const running of others.slice(0, tooMany)) this.abort(running);
  }
}

/** How many may run when this one starts too. For overlap, the ticks of a `forEach` are one. */
function limitOf({ schedule: { options } }: Slot): number {
  const { overlap, maxConcurrency, forEach } = options;
  const limit = forEach === undefined ? maxConcurrency : undefined;
  return limit ?? (overlap === 'allow' ? Number.POSITIVE_INFINITY : 1);
}

/** Ticks can be dropped while they wait, work of `hold()` cannot. */
function isHold({ skip }: Waiting): boolean {
  return skip === undefined;
}

function isSame(left: Slot, right: Slot): boolean {
  return left.schedule.name === right.schedule.name;
}
