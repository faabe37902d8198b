import { Growth, type TickCounts } from './growth.js';
import { KeptShare } from './kept-share.js';
import { growingSchedules, LEAST_BYTES, type ScheduleGrowth } from './schedule-growth.js';

/** Reads how much the heap and the buffers take. */
export interface HeapReader {
  /** Right after a collection of young garbage; undefined where there is no such thing. */
  floorBytes(): number | undefined;
  /** The reading right after a full collection; undefined if that is not possible, or would take too long. */
  liveBytes(): number | undefined;
  /** True when a full collection of V8 was seen since the last call; one may be missed. */
  wasCollected(): boolean;
  /** Watches until the function is called that it returns, which says whether there was a full collection; none is missed. */
  watchCollections(): () => boolean;
}

/** The first tick of a schedule loads, compiles and fills caches. */
const WARM_UP_TICKS = 1;
/** So many ticks are measured without delay, that there is an answer soon. */
const EAGER_TICKS = 10;
/** Then measuring takes this part of the time at most, over all schedules. */
const SHARE_OF_TIME = 0.01;
/** After so many ticks in a row that could not be measured alone, a schedule is measured beside others. */
const PATIENCE_TICKS = 10;

interface Reading {
  readonly floorBytes: number | undefined;
  readonly tookMs: number;
}

interface Measuring {
  readonly schedule: string;
  readonly counts: TickCounts;
  readonly floorBytes: number;
  /** What the first reading has taken, in milliseconds. */
  readonly tookMs: number;
  /** False when a tick of another schedule ran meanwhile. */
  isAlone: boolean;
  /** Measured after full collections, so V8's own collections do not spoil it. */
  readonly isConfirming: boolean;
  /** Stops watching for collections; undefined without a watch, and once the tick is known to be spoilt. */
  endWatch: (() => boolean) | undefined;
  /** The tick has ended, and only the second reading is left. */
  hasEnded: boolean;
}

/**
 * Measures what ticks leave in the heap: reads it before a tick and after, each time behind a collection of young garbage. Without
 * the collections the garbage of all ticks drowns what a few leave. They cost time, so only some ticks are measured: the first
 * ones of each schedule, then one now and then; and rather those beside which no other schedule runs.
 *
 * A collection of young garbage cannot tell whether a tick adds data or replaces older data. So a schedule that seems to grow
 * is confirmed: a few of its ticks are measured after full collections, which stop the process for longer.
 */
export class GrowthMeter {
  readonly #growth = new Growth();
  readonly #keptShare = new KeptShare();
  /** The schedules of the ticks that run, by tick id. */
  readonly #running = new Map<string, string>();
  /** By tick id; one for each schedule at most. */
  readonly #measuring = new Map<string, Measuring>();
  /** When the next tick of a schedule may be measured, on the monotonic clock. */
  readonly #notBefore = new Map<string, number>();
  /** How many ticks of a schedule in a row could not be measured alone. */
  readonly #mixed = new Map<string, number>();

  constructor(private readonly heap: HeapReader) {}

  /** A tick was fired, and nothing is built for it yet. */
  started(schedule: string, tickId: string): void {
    for (const [measured, measuring] of this.#measuring) {
      // Before the next one begins: ticks may follow one another without a turn of the event loop between.
      if (measuring.hasEnded) this.finish(measured);
      else if (measuring.schedule !== schedule) measuring.isAlone = false;
    }
    if (this.isDue(schedule)) this.begin(schedule, tickId);
    this.#running.set(tickId, schedule);
  }

  /**
   * A tick has ended, its scope is disposed.
   *
   * @returns true when `finish` should be called for it as soon as nothing of the tick is on the stack any more.
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
    const { schedule, counts, isAlone, isConfirming } = measuring;
    const { floorBytes, tookMs } = isConfirming ? this.readLive() : this.read();
    this.#measuring.delete(tickId);
    const isSpoilt = isSpoiltNow(measuring);
    if (floorBytes !== undefined) {
      const grownBytes = floorBytes - measuring.floorBytes;
      if (isConfirming && isAlone)
        this.#growth.confirm(schedule, grownBytes, this.#growth.ticksSince(counts, schedule));
      else if (!isConfirming && !isSpoilt && (isAlone || this.isPatienceOver(schedule)))
        this.#growth.learn(counts, grownBytes);
    } else if (!isConfirming) return;
    this.#mixed.set(schedule, isAlone ? 0 : this.mixedOf(schedule) + 1);
    const isEager =
      isAlone && !isConfirming && this.#growth.measuredTicksOf(schedule) < EAGER_TICKS;
    const restMs = ((measuring.tookMs + tookMs) / SHARE_OF_TIME) * this.#notBefore.size;
    this.#notBefore.set(schedule, isEager ? 0 : performance.now() + restMs);
  }

  /** To be called now and then, also while no tick is measured. */
  look(): void {
    // A watch notes each collection, some KB a time, and a tick may take days.
    for (const measuring of this.#measuring.values())
      measuring.endWatch = isSpoiltNow(measuring) ? undefined : this.heap.watchCollections();
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

  /** Measures no more. */
  end(): void {
    for (const tickId of this.#measuring.keys()) this.drop(tickId);
  }

  /** The schedules that grow, the one that has added most first. */
  growing(): ScheduleGrowth[] {
    return growingSchedules(this.#growth.estimates(), this.#keptShare.of(this.#growth));
  }

  private begin(schedule: string, tickId: string): void {
    const isAlone = ![...this.#running.values()].some((other) => other !== schedule);
    if (!isAlone && !this.isPatienceOver(schedule)) {
      this.#mixed.set(schedule, this.mixedOf(schedule) + 1);
      return;
    }
    // None of its other ticks until this one is done; for ever when the heap cannot be read.
    this.#notBefore.set(schedule, Infinity);
    const needsConfirmation = isAlone && this.#growth.needsConfirmation(schedule, LEAST_BYTES);
    const live = needsConfirmation ? this.readLive() : undefined;
    const isConfirming = live?.floorBytes !== undefined;
    const { floorBytes, tookMs } = isConfirming ? live! : this.read();
    if (floorBytes === undefined) return;
    this.#measuring.set(tickId, {
      schedule,
      counts: this.#growth.counts(),
      floorBytes,
      tookMs,
      isAlone,
      isConfirming,
      hasEnded: false,
      endWatch: isConfirming ? undefined : this.heap.watchCollections(),
    });
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

  private isPatienceOver(schedule: string): boolean {
    return this.mixedOf(schedule) >= PATIENCE_TICKS;
  }

  private mixedOf(schedule: string): number {
    return this.#mixed.get(schedule) ?? 0;
  }

  private noteCollection(floorBytes: number | undefined): void {
    if (floorBytes !== undefined) this.#keptShare.note(floorBytes, this.#growth);
  }

  private read(): Reading {
    return this.timed(() => this.heap.floorBytes());
  }

  private readLive(): Reading {
    return this.timed(() => this.heap.liveBytes());
  }

  private timed(readBytes: () => number | undefined): Reading {
    const startedAt = performance.now();
    const floorBytes = readBytes();
    if (this.heap.wasCollected()) this.noteCollection(floorBytes);
    return { floorBytes, tookMs: performance.now() - startedAt };
  }
}

/** True when V8 has collected old garbage since the tick began, which is not of this tick. Ends the watch. */
function isSpoiltNow({ endWatch }: Measuring): boolean {
  return endWatch === undefined || endWatch();
}
