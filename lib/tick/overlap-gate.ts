import { AsyncResource } from 'node:async_hooks';
import type { Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { isInsideAwaited, runAs } from '../scope/work-context.js';
import { onAbort } from '../util/on-abort.js';
import { isInsideSlot } from './tick.js';
import type { SkipReason, TickReport } from './tick-report.js';

/** A tick, or work of `hold()`, that is ready to begin. */
interface Asking {
  readonly slot: Slot;
  /** The running slots that the caller is part of. They may await the caller, so the caller must not wait for them. */
  readonly within: readonly Slot[];
  /** Undefined for work of `hold()`, which is never skipped. */
  readonly skip?: (reason: SkipReason) => void;
}

interface Waiting extends Asking {
  /** True if the next tick of its schedule replaces it. */
  readonly canMerge: boolean;
  start(): void;
}

/** A slot, as the gate sees it. */
export interface GatedSlot {
  readonly slot: Slot;
  /** Must not reject. */
  run(): Promise<TickReport>;
  /** Makes the report of a slot that does not run. */
  skip(reason: SkipReason): TickReport;
}

/**
 * Decides what happens to a slot that comes due while the maximum number of ticks runs. Serves one schedule, or all schedules
 * that share an `overlapKey`. It counts running ticks, so it never expires while a handler runs, unlike a lock with a timeout.
 */
export class OverlapGate {
  /** Ticks and work of `hold()`. */
  readonly #running: Slot[] = [];
  #waiting: Waiting[] = [];
  /**
   * The running work of `hold()`. Each is part of all those that began before it, so the innermost one waits for none of them.
   */
  readonly #holders = new Set<Slot>();

  constructor(
    /** Aborts the running work of a slot, for `'cancel-other'`. */
    private readonly abort: (slot: Slot) => void,
  ) {}

  /**
   * Runs the slot now, later or never. Without room for it, `overlap` decides: `'skip'` skips it; `'buffer-one'` lets it wait,
   * and skips the one that waited before; `'cancel-other'` does the same and aborts the running tick; `'allow'` lets all of
   * them wait.
   */
  pass(gated: GatedSlot): Promise<TickReport> {
    const { slot } = gated;
    const { overlap } = slot.schedule.options;
    const within = this.#running.filter(isInsideSlot);
    if (this.mayBegin({ slot, within, skip: gated.skip }, this.#waiting.some(isHold)))
      return this.run(slot, gated.run);
    // If a tick that runs its own schedule waited for room, it would wait for itself.
    if (within.length > 0 && !this.hasRoom(slot)) return Promise.resolve(gated.skip('overlap'));
    const canMerge = slot.isCatchUp !== true && overlap !== 'allow';
    if (canMerge) {
      if (overlap === 'skip') return Promise.resolve(gated.skip('overlap'));
      const { name } = slot.schedule;
      const merged = this.#waiting.find(
        (other) => other.canMerge && other.slot.schedule.name === name,
      );
      // A run requested by hand is not merged into one that is only due.
      if (merged?.slot.trigger === 'manual' && slot.trigger !== 'manual')
        return Promise.resolve(gated.skip('merged'));
      if (merged !== undefined) {
        this.#waiting.splice(this.#waiting.indexOf(merged), 1);
        merged.skip!('merged');
      }
    }
    const report = this.wait(gated, within, canMerge);
    if (overlap === 'cancel-other') this.makeRoomFor(slot);
    return report;
  }

  /**
   * Runs work exclusively: it waits its turn and is never skipped. Inside a running tick, it doesn't wait for ticks, which could
   * wait for it in turn. It waits only for other work of `hold()` that it is not part of.
   *
   * @param signal ends the wait: the promise then rejects with the reason of the signal.
   */
  async hold<T>(slot: Slot, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const run = async (): Promise<T> => {
      const holder = { slot, isAwaited: isInsideAwaited() };
      this.#holders.add(slot);
      try {
        return await runAs(holder, work);
      } finally {
        this.#holders.delete(slot);
      }
    };
    const within = this.#running.filter(isInsideSlot);
    // Inner work counts too: if the outer work does not await it, it may outlast the outer work.
    if (this.mayBegin({ slot, within }, false)) return this.run(slot, run);
    return new Promise<T>((resolve, reject) => {
      let unfollow = (): void => undefined;
      const waiting: Waiting = {
        slot,
        within,
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

  /** Drops the waiting ticks of one schedule, or of all. A pause does not drop runs requested by hand. */
  clear(reason: SkipReason, schedule?: string): void {
    const isDropped = ({ slot, skip }: Waiting): boolean =>
      skip !== undefined &&
      (schedule === undefined || slot.schedule.name === schedule) &&
      !(reason === 'paused' && slot.trigger === 'manual');
    const dropped = this.#waiting.filter(isDropped);
    this.#waiting = this.#waiting.filter((waiting) => !isDropped(waiting));
    for (const waiting of dropped) waiting.skip!(reason);
  }

  private wait(
    { slot, run, skip }: GatedSlot,
    within: readonly Slot[],
    canMerge: boolean,
  ): Promise<TickReport> {
    return new Promise((resolve) => {
      this.#waiting.push({
        slot,
        within,
        canMerge,
        // Bound, so that it does not run in the AsyncLocalStorage context of the tick that it waited for.
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

  /** Starts the waiting work that may begin, in order. A tick that may not begin yet doesn't delay a schedule that may. */
  private startWaiting(): void {
    for (let next = this.takeNext(); next !== undefined; next = this.takeNext()) next.start();
  }

  /** Looks through the queue once, because nothing limits its length. */
  private takeNext(): Waiting | undefined {
    let isClaimed = false;
    const at = this.#waiting.findIndex((waiting) => {
      if (this.mayBegin(waiting, isClaimed)) return true;
      isClaimed ||= isHold(waiting);
      return false;
    });
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  /** @param isClaimed true if work of `hold()` is ahead in the queue: ticks that aren't part of running work stay behind it. */
  private mayBegin(asking: Asking, isClaimed: boolean): boolean {
    const { slot, within } = asking;
    for (const holder of this.#holders) if (!within.includes(holder)) return false;
    const isInner = within.some((outer) => this.#running.includes(outer));
    if (isHold(asking)) return isInner || this.#running.length === 0;
    return this.hasRoom(slot) && (isInner || !isClaimed);
  }

  private hasRoom(slot: Slot): boolean {
    return this.#running.length < limitOf(slot);
  }

  /** Aborts the oldest ticks that occupy the room of this one. Catch-up runs of one series don't abort each other. */
  private makeRoomFor(slot: Slot): void {
    const ticks = this.#running.filter((running) => !this.#holders.has(running));
    const tooMany = Math.max(ticks.length - limitOf(slot) + 1, 0); // if 0, the slot waits for work of `hold()`
    const others = ticks.filter(({ isCatchUp }) => !(slot.isCatchUp && isCatchUp));
    for (const running of others.slice(0, tooMany)) this.abort(running);
  }
}

/** Returns the maximum number of running ticks, this one included. For overlap, the ticks of a `forEach` are one. */
function limitOf({ schedule: { options } }: Slot): number {
  const { overlap, maxConcurrency, forEach } = options;
  const limit = forEach === undefined ? maxConcurrency : undefined;
  return limit ?? (overlap === 'allow' ? Number.POSITIVE_INFINITY : 1);
}

/** Ticks can be dropped while they wait, work of `hold()` cannot. */
function isHold({ skip }: Asking): boolean {
  return skip === undefined;
}

/** Schedules that share it count as one for overlap. */
export function overlapKeyOf({ name, options }: Schedule): string {
  return options.overlapKey === undefined ? `schedule ${name}` : `key ${options.overlapKey}`;
}
