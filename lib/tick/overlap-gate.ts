import { AsyncResource } from 'node:async_hooks';
import type { Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { isInsideAwaited, runAs } from '../scope/work-context.js';
import { onAbort } from '../util/on-abort.js';
import { isInsideSlot } from './current-tick.js';
import type { SkipReason, TickReport } from './tick-report.js';

/** A tick, or exclusive work, that is ready to begin. */
interface Asking {
  readonly slot: Slot;
  /**
   * The slots that were running when the caller asked, and that the caller is part of; they may have ended since. They may await
   * the caller, so the caller must not wait for them.
   */
  readonly outer: readonly Slot[];
  /** True for exclusive work, which is never skipped. */
  readonly isExclusive: boolean;
}

interface Waiting extends Asking {
  /** True if no later tick of its schedule replaces it. */
  readonly isKept: boolean;
  start(): void;
  skip?(reason: SkipReason): void;
}

/** A slot, with the functions that the gate calls to run or skip it. */
export interface GatedSlot {
  readonly slot: Slot;
  /**
   * Runs the tick. Must not reject.
   *
   * @param leave must be called when the tick has ended: the next one can then begin.
   */
  run(leave: () => void): Promise<TickReport>;
  /** Creates the report of a slot that doesn't run. */
  skip(reason: SkipReason): TickReport;
}

/**
 * Decides what happens to a slot that comes due while the maximum number of ticks is running. Serves one schedule, or all schedules
 * that share an `overlapKey`. A gate counts running ticks, so, unlike a lock with a timeout, it never expires while a handler runs.
 */
export class OverlapGate {
  /** The running ticks and exclusive work. */
  readonly #running: Slot[] = [];
  #waiting: Waiting[] = [];
  /**
   * The slots of the running exclusive work. Each one runs inside those before it, so the innermost one doesn't wait for any of
   * them.
   */
  readonly #holders: Slot[] = [];

  constructor(
    /** Aborts the running work of a slot, for `'cancel-other'`. */
    private readonly abort: (slot: Slot) => void,
    /** Called when nothing runs or waits anymore. */
    private readonly becameIdle: () => void,
  ) {}

  /**
   * Runs the slot now, later or never. If it can't begin yet, `overlap` decides. `'skip'` skips it. `'buffer-one'` lets it wait,
   * and skips the slot that waited before. `'cancel-other'` does the same and aborts the running tick. `'allow'` lets all
   * slots wait. A catch-up run always waits.
   */
  pass(gated: GatedSlot): Promise<TickReport> {
    const { slot } = gated;
    const { overlap } = slot.schedule.options;
    const asking = this.asking(slot, false);
    if (this.mayBegin(asking)) return this.begin(slot, gated.run);
    // A tick that runs its own schedule would wait for itself if the new run waited for room.
    if (asking.outer.length > 0 && !this.hasRoom(slot))
      return Promise.resolve(gated.skip('overlap'));
    const isKept = slot.isCatchUp === true || overlap === 'allow';
    if (!isKept && overlap === 'skip') return Promise.resolve(gated.skip('overlap'));
    const earlier = isKept ? undefined : this.replaceableBy(slot);
    // One of the two is skipped: the earlier one, unless it is a manual run and the new one isn't.
    if (earlier?.slot.trigger === 'manual' && slot.trigger !== 'manual')
      return Promise.resolve(gated.skip('merged'));
    const report = new Promise<TickReport>((resolve) => {
      this.enqueue({
        ...asking,
        isKept,
        start: () => resolve(this.begin(slot, gated.run)),
        skip: (reason) => resolve(gated.skip(reason)),
      });
    });
    if (earlier !== undefined) {
      remove(this.#waiting, earlier);
      earlier.skip!('merged'); // after `enqueue()`: a listener may pause or remove the schedule, which skips this slot too
    }
    if (overlap === 'cancel-other') this.makeRoomFor(slot);
    return report;
  }

  /**
   * Runs work exclusively: the work waits until it can begin, and is never skipped. Inside a running tick, the work doesn't wait
   * for ticks, because those could be waiting for the work. It waits only for other exclusive work that it isn't part of.
   *
   * @param signal when aborted, ends the wait: the promise then rejects with the signal's reason.
   */
  exclusive<T>(slot: Slot, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const run = async (leave: () => void): Promise<T> => {
      const holder = { slot, isAwaited: isInsideAwaited() };
      this.#holders.push(slot);
      try {
        return await runAs(holder, work);
      } finally {
        remove(this.#holders, slot);
        leave();
      }
    };
    const asking = this.asking(slot, true);
    // Inner work counts as running too: if the outer work doesn't await it, it may outlast the outer work.
    if (this.mayBegin(asking)) return this.begin(slot, run);
    return new Promise<T>((resolve, reject) => {
      let unfollow = (): void => undefined;
      const waiting = this.enqueue({
        ...asking,
        isKept: true,
        start: () => {
          unfollow();
          resolve(this.begin(slot, run));
        },
      });
      if (signal === undefined) return;
      unfollow = onAbort(signal, () => {
        remove(this.#waiting, waiting);
        unfollow();
        reject(signal.reason as Error);
        this.startWaiting();
      });
    });
  }

  /**
   * Drops the waiting ticks of one schedule, or of all schedules. A pause doesn't drop manual runs.
   *
   * @returns a function that creates the reports of the dropped ticks.
   */
  drop(reason: SkipReason, schedule?: string): () => void {
    const isDropped = ({ slot, skip }: Waiting): boolean =>
      skip !== undefined &&
      (schedule === undefined || slot.schedule.name === schedule) &&
      !(reason === 'paused' && slot.trigger === 'manual');
    const dropped = this.#waiting.filter(isDropped);
    this.#waiting = this.#waiting.filter((waiting) => !isDropped(waiting));
    return () => {
      for (const waiting of dropped) waiting.skip!(reason);
    };
  }

  private asking(slot: Slot, isExclusive: boolean): Asking {
    return { slot, outer: this.#running.filter(isInsideSlot), isExclusive };
  }

  /** Returns the waiting tick that a new slot of the same schedule replaces. */
  private replaceableBy({ schedule: { name } }: Slot): Waiting | undefined {
    return this.#waiting.find(({ isKept, slot }) => !isKept && slot.schedule.name === name);
  }

  private enqueue(waiting: Waiting): Waiting {
    // Bound, so that the waiting work doesn't run in the AsyncLocalStorage context of the work that it waited for.
    const bound = { ...waiting, start: AsyncResource.bind(waiting.start) };
    this.#waiting.push(bound);
    return bound;
  }

  private begin<T>(slot: Slot, run: (leave: () => void) => Promise<T>): Promise<T> {
    this.#running.push(slot);
    return run(() => {
      remove(this.#running, slot);
      this.startWaiting();
      if (this.#running.length === 0 && this.#waiting.length === 0) this.becameIdle();
    });
  }

  /** Starts the waiting work that may begin, in order. A tick that must still wait doesn't delay the ticks of other schedules. */
  private startWaiting(): void {
    for (let next = this.takeNext(); next !== undefined; next = this.takeNext()) next.start();
  }

  /** Takes the next work that may begin. Looks through the queue once, because nothing limits its length. */
  private takeNext(): Waiting | undefined {
    let isBehind = false;
    const at = this.#waiting.findIndex((waiting) => {
      if (this.mayBegin(waiting, isBehind)) return true;
      isBehind ||= waiting.isExclusive;
      return false;
    });
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  /**
   * Decides whether a tick or exclusive work may begin:
   *
   * - While exclusive work runs, only work inside it begins.
   * - Exclusive work begins when nothing else runs or, inside running work, immediately.
   * - A tick begins when there is room for it and, unless it is inside running work, no exclusive work waits ahead of it.
   *
   * @param isBehind true if exclusive work waits ahead of the tick. The whole queue is ahead of new work.
   */
  private mayBegin(
    { slot, outer, isExclusive }: Asking,
    isBehind = this.#waiting.some((waiting) => waiting.isExclusive),
  ): boolean {
    for (const holder of this.#holders) if (!outer.includes(holder)) return false;
    const isInner = outer.some((running) => this.#running.includes(running));
    if (isExclusive) return isInner || this.#running.length === 0;
    return this.hasRoom(slot) && (isInner || !isBehind);
  }

  private hasRoom(slot: Slot): boolean {
    return this.#running.length < limitOf(slot);
  }

  /** Aborts the oldest ticks to make room for the slot. Catch-up runs don't abort each other. */
  private makeRoomFor(slot: Slot): void {
    const ticks = this.#running.filter((running) => !this.#holders.includes(running));
    const tooMany = Math.max(ticks.length - limitOf(slot) + 1, 0); // if 0, the slot waits for exclusive work
    const others = ticks.filter(({ isCatchUp }) => !(slot.isCatchUp && isCatchUp));
    for (const running of others.slice(0, tooMany)) this.abort(running);
  }
}

function remove<T>(from: T[], element: T): void {
  const index = from.indexOf(element);
  if (index >= 0) from.splice(index, 1);
}

/** Returns the maximum number of running ticks, including the slot's own. For overlap, the ticks of a `forEach` count as one. */
function limitOf({ schedule: { options } }: Slot): number {
  const { overlap, maxConcurrency, forEach } = options;
  const limit = forEach === undefined ? maxConcurrency : undefined;
  return limit ?? (overlap === 'allow' ? Number.POSITIVE_INFINITY : 1);
}

/** Returns the key of a schedule's gate. Schedules that share a key count as one for overlap. */
export function overlapKeyOf({ name, options }: Schedule): string {
  return options.overlapKey === undefined ? `schedule ${name}` : `key ${options.overlapKey}`;
}
