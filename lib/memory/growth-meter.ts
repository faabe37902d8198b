import { KeptShare } from './kept-share.js';
import { GrowthEstimates, type ScheduleGrowth, type TickCounts } from './schedule-growth.js';
import type { MemorySource } from './process-memory.js';

/** The number of ticks that aren't measured: the first tick of a schedule loads and compiles code, and fills caches. */
const WARM_UP_TICKS = 1;
/** The number of ticks that are measured without delay, for an early answer. */
const EAGER_TICKS = 10;
/** The maximum share of time that measuring takes after the eager ticks, across all schedules. */
const SHARE_OF_TIME = 0.01;
/** After this many consecutive ticks that couldn't be measured alone, a schedule is measured together with others. */
const MIXED_AFTER_TICKS = 10;

interface Reading {
  readonly heldBytes: number | undefined;
  readonly tookMs: number;
}

interface Measuring {
  readonly schedule: string;
  readonly counts: TickCounts;
  /** The result of the first reading. */
  readonly heldBytes: number;
  /** The duration of the first reading, in milliseconds. */
  readonly tookMs: number;
  /** False if a tick of another schedule ran at the same time. */
  isAlone: boolean;
  /** True if the heap is read after full collections, so that V8's own collections don't spoil the measurement. */
  readonly isConfirming: boolean;
  /** Stops watching for collections; undefined without a watch, and once the measurement is spoiled. */
  endWatch: (() => boolean) | undefined;
  /** True if the tick has finished, so that only the second reading remains. */
  hasEnded: boolean;
}

/**
 * Measures what ticks leave in the heap: reads the heap before and after a tick, each time right after a young-generation garbage
 * collection. Without these collections, the garbage of all ticks would hide what a few ticks leave. These collections take time,
 * so only some ticks are measured: the first ones of each schedule, then a few more. Preferably, no other schedule runs at the same
 * time.
 *
 * A young-generation collection doesn't show whether a tick adds data or replaces older data. So the growth of a schedule is
 * confirmed: a few of its ticks are measured after full collections, which stop the process for longer.
 */
export class GrowthMeter {
  readonly #growth = new GrowthEstimates();
  readonly #keptShare = new KeptShare();
  /** The schedules of the running ticks, by tick id. */
  readonly #running = new Map<string, string>();
  /** The current measurements, by tick id; at most one for each schedule. */
  readonly #measuring = new Map<string, Measuring>();
  /**
   * The time from which the next tick of a schedule may be measured, as a `performance.now()` timestamp. 0 means immediately;
   * Infinity is set while a tick is measured, or if the heap can't be read.
   */
  readonly #notBefore = new Map<string, number>();
  /** The number of consecutive ticks of a schedule that couldn't be measured alone. */
  readonly #mixed = new Map<string, number>();

  constructor(private readonly heap: MemorySource) {}

  /** Notes that a tick has fired; nothing has been built for it yet. */
  started(schedule: string, tickId: string): void {
    for (const [measured, measuring] of this.#measuring) {
      // Ticks may follow one another without a turn of the event loop between them.
      if (measuring.hasEnded) this.finish(measured);
      else if (measuring.schedule !== schedule) measuring.isAlone = false;
    }
    if (this.isDue(schedule)) this.begin(schedule, tickId);
    this.#running.set(tickId, schedule);
  }

  /**
   * Notes that a tick has finished and its scope has been disposed.
   *
   * @returns true if `finish` should be called for the tick as soon as it is no longer on the stack.
   */
  ended(tickId: string): boolean {
    const schedule = this.#running.get(tickId);
    if (schedule === undefined) return false;
    this.#running.delete(tickId);
    this.#growth.ended(schedule);
    const measuring = this.#measuring.get(tickId);
    if (measuring === undefined) return false;
    measuring.hasEnded = true;
    return true;
  }

  finish(tickId: string): void {
    const measuring = this.#measuring.get(tickId);
    if (measuring === undefined) return;
    const { schedule, isAlone, isConfirming } = measuring;
    const { heldBytes, tookMs } = this.read(isConfirming ? 'liveBytes' : 'floorBytes');
    this.#measuring.delete(tickId);
    const isSpoilt = endWatching(measuring);
    if (heldBytes !== undefined) this.record(measuring, heldBytes - measuring.heldBytes, isSpoilt);
    else if (!isConfirming) return; // the heap cannot be read: the schedule isn't measured again
    this.#mixed.set(schedule, isAlone ? 0 : this.mixedOf(schedule) + 1);
    const isEager =
      isAlone && !isConfirming && this.#growth.measuredTicksOf(schedule) < EAGER_TICKS;
    const measuredSchedules = this.#notBefore.size;
    const restMs = ((measuring.tookMs + tookMs) / SHARE_OF_TIME) * measuredSchedules;
    this.#notBefore.set(schedule, isEager ? 0 : performance.now() + restMs);
  }

  /** Checks for collections. Call this method from time to time, even while no tick is measured. */
  look(): void {
    // A watch keeps a few KB for each collection, and a tick may take days.
    for (const measuring of this.#measuring.values())
      measuring.endWatch = endWatching(measuring) ? undefined : this.heap.watchCollections();
    if (this.heap.wasCollected()) this.noteCollection(this.heap.floorBytes());
  }

  forget(schedule: string): void {
    this.#growth.forget(schedule);
    this.#notBefore.delete(schedule);
    this.#mixed.delete(schedule);
    for (const [tickId, measuring] of this.#measuring)
      if (measuring.schedule === schedule) this.drop(tickId);
    for (const [tickId, running] of this.#running)
      if (running === schedule) this.#running.delete(tickId);
  }

  end(): void {
    for (const tickId of this.#measuring.keys()) this.drop(tickId);
  }

  /** Returns the schedules that grow, starting with the one that has added the most. */
  growing(): ScheduleGrowth[] {
    return this.#growth.growing(this.#keptShare.of(this.#growth));
  }

  private begin(schedule: string, tickId: string): void {
    const isAlone = ![...this.#running.values()].some((other) => other !== schedule);
    if (!isAlone && !this.mayBeMixed(schedule)) {
      this.#mixed.set(schedule, this.mixedOf(schedule) + 1);
      return;
    }
    // Measures no other tick of the schedule until this one is done, and none at all if the heap can't be read.
    this.#notBefore.set(schedule, Infinity);
    const needsConfirmation = isAlone && this.#growth.needsConfirmation(schedule);
    const live = needsConfirmation ? this.read('liveBytes') : undefined;
    const isConfirming = live?.heldBytes !== undefined;
    const { heldBytes, tookMs } = isConfirming ? live! : this.read('floorBytes');
    if (heldBytes === undefined) return;
    this.#measuring.set(tickId, {
      schedule,
      counts: this.#growth.counts(),
      heldBytes,
      tookMs,
      isAlone,
      isConfirming,
      hasEnded: false,
      endWatch: isConfirming ? undefined : this.heap.watchCollections(),
    });
  }

  private record(
    { schedule, counts, isAlone, isConfirming }: Measuring,
    grownBytes: number,
    isSpoilt: boolean,
  ): void {
    if (isConfirming) {
      const ticks = this.#growth.ticksSince(counts, schedule);
      if (isAlone) this.#growth.confirm(schedule, grownBytes, ticks);
    } else if (!isSpoilt && (isAlone || this.mayBeMixed(schedule)))
      this.#growth.learn(counts, grownBytes);
  }

  private drop(tickId: string): void {
    this.#measuring.get(tickId)?.endWatch?.();
    this.#measuring.delete(tickId);
  }

  private isDue(schedule: string): boolean {
    return (
      this.#growth.ticksOf(schedule) >= WARM_UP_TICKS &&
      performance.now() >= (this.#notBefore.get(schedule) ?? 0)
    );
  }

  private mayBeMixed(schedule: string): boolean {
    return this.mixedOf(schedule) >= MIXED_AFTER_TICKS;
  }

  private mixedOf(schedule: string): number {
    return this.#mixed.get(schedule) ?? 0;
  }

  private noteCollection(heldBytes: number | undefined): void {
    if (heldBytes !== undefined) this.#keptShare.note(heldBytes, this.#growth);
  }

  /** Reads the heap. @param after the preceding collection: a young-generation one (`floorBytes`) or a full one (`liveBytes`). */
  private read(after: 'floorBytes' | 'liveBytes'): Reading {
    const startedAt = performance.now();
    const heldBytes = this.heap[after]();
    if (this.heap.wasCollected()) this.noteCollection(heldBytes);
    return { heldBytes, tookMs: performance.now() - startedAt };
  }
}

/** Ends the watch. @returns true if the measurement is spoiled: V8 has collected garbage from earlier ticks during this tick. */
function endWatching(measuring: Measuring): boolean {
  return measuring.endWatch === undefined || measuring.endWatch();
}
