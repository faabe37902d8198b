import { type AbortCause, tickLabel } from './tick-report.js';
import type { Slot } from '../schedule/slot.js';
import {
  contextAround,
  isInside,
  isInsideAwaited,
  WorkContext,
  type WorkOwner,
} from '../scope/work-context.js';
import { idSource } from '../util/id-source.js';
import { Latch } from '../util/latch.js';
import { onAbort } from '../util/on-abort.js';
import { TickAttempt } from './tick-attempt.js';
import type { TickEvents } from './tick-ports.js';

export const nextTickId = idSource('tick');

/** A tick that has been fired and not yet reported, or the ticks for a list of items. */
export abstract class RunningWork implements WorkOwner {
  readonly firedAt = new Date();
  /** Attributes to this work everything that it starts, until it is removed from the running ticks. */
  readonly context = new WorkContext(this, contextAround());
  isAwaited = true;
  /** Opens when this work has been removed from the running ticks, before `tick:finished`. */
  readonly ended = new Latch();
  /** The name for the log, such as `ReportWorker.send (tick-1)`. */
  abstract readonly label: string;

  constructor(readonly slot: Slot) {}

  /**
   * Aborts the running attempt, and lets no further attempt or item begin.
   *
   * @returns false for a tick that was already aborted or has ended.
   */
  abstract abort(cause: AbortCause): boolean;

  /** Prevents further attempts and items; running ones continue. */
  abstract beginNoMore(cause: AbortCause): void;

  /** Returns true if the calling code is part of this work. */
  isInside(): boolean {
    return isInside(this);
  }
}

/** A tick that other code can see and abort, from its firing to its report, across all its attempts. */
export class RunningTick extends RunningWork {
  readonly id = nextTickId();
  readonly startedAt = performance.now();
  /** True once all attempts have ended and only the conclusion is left. */
  isOver = false;
  /** Set when no further attempt may begin; the running one is aborted only if `#abort` is set too. */
  stopped: AbortCause | undefined;
  /** Ends the wait between two attempts. */
  #wait: AbortController | undefined;
  /** The running attempt. */
  #attempt: TickAttempt | undefined;
  /** Applies to the running attempt, or to the first attempt if none has begun. */
  #abort: { readonly cause: AbortCause; readonly reason?: unknown } | undefined;

  constructor(
    slot: Slot,
    readonly payload: unknown,
    private readonly events: TickEvents,
  ) {
    super(slot);
  }

  get label(): string {
    const { schedule, messageId } = this.slot;
    return tickLabel(schedule.name, this.id, messageId);
  }

  /** Aborted when a wait between attempts must end immediately. */
  get waitSignal(): AbortSignal {
    this.#wait ??= new AbortController();
    if (this.stopped !== undefined) this.#wait.abort();
    return this.#wait.signal;
  }

  begin(number: number): TickAttempt {
    this.#attempt = new TickAttempt(this, number, this.events);
    if (this.#abort !== undefined)
      this.#attempt.control.abortFor(this.#abort.cause, this.#abort.reason);
    return this.#attempt;
  }

  /** Drops the attempt that has ended, because listeners on its signal may keep its instances alive. */
  attemptEnded(): void {
    this.#attempt = undefined;
  }

  abort(cause: AbortCause, reason?: unknown): boolean {
    if (this.isOver) return false;
    if (this.#abort !== undefined) {
      if (cause === 'shutdown') this.#attempt?.control.shutDown();
      return false;
    }
    this.beginNoMore(cause);
    this.#abort = { cause, reason };
    this.#attempt?.control.abortFor(cause, reason);
    return true;
  }

  /**
   * Cancels the tick when the signal is aborted, with the signal's reason.
   *
   * @returns a function that removes the listener.
   */
  follow(signal: AbortSignal): () => void {
    const cancel = (): void => void this.abort('cancel', signal.reason);
    if (!signal.aborted) return onAbort(signal, cancel);
    cancel();
    return () => undefined;
  }

  beginNoMore(cause: AbortCause): void {
    this.stopped ??= cause;
    this.#wait?.abort();
  }
}

/** The ticks of a `forEach` for one slot, as one piece of running work. */
export class TickList extends RunningWork {
  /** Set when no further item may begin. */
  stopped: AbortCause | 'paused' | undefined;
  /** True once a shutdown has begun, even if the list was stopped before for another reason. */
  isShutDown = false;

  get label(): string {
    return `${this.slot.schedule.name} (forEach list)`;
  }

  /** Lets no further item begin. The running items are ticks, which the caller aborts as well. */
  abort(cause: AbortCause): boolean {
    this.beginNoMore(cause);
    return true;
  }

  beginNoMore(cause: AbortCause): void {
    if (cause === 'shutdown') this.isShutDown = true;
    if (this.stopped === undefined || this.stopped === 'paused') this.stopped = cause;
  }

  /** Lets no further item begin until `resume()`. */
  pause(): void {
    this.stopped ??= 'paused';
  }

  /** Lets items begin again, if only a pause has stopped the list. */
  resume(): void {
    if (this.stopped === 'paused') this.stopped = undefined;
  }
}

/** The running ticks and lists, in the order in which they were fired. */
export class RunningTicks {
  readonly #all = new Set<RunningWork>();
  #isShuttingDown = false;

  add(running: RunningWork): void {
    running.isAwaited = !this.#isShuttingDown || isInsideAwaited();
    this.#all.add(running);
  }

  /**
   * Removes work before its context ends. Otherwise, if the work itself started a shutdown, the shutdown would wait for it, as for
   * any other unfinished work.
   */
  remove(running: RunningWork): void {
    this.#all.delete(running);
    running.context.end();
    running.ended.open();
  }

  /**
   * From now on, adds to `awaited` only work that began inside awaited work. Otherwise, a consumer from another library that runs
   * one standalone tick after another would delay the shutdown until its queue is empty.
   */
  beginShutdown(): void {
    this.#isShuttingDown = true;
  }

  /** The work that the shutdown aborts and waits for: ticks, and lists that are still running. */
  get awaited(): readonly RunningWork[] {
    return [...this.#all].filter(({ isAwaited }) => isAwaited);
  }

  /** All ticks, including those that were started during the shutdown by code that the shutdown doesn't wait for. */
  get everyTick(): readonly RunningWork[] {
    return [...this.#all].filter((running) => !(running instanceof TickList));
  }

  of(schedule: string): readonly RunningWork[] {
    return this.everyTick.filter((running) => isOf(running, schedule));
  }

  /** Returns when the oldest running tick or list of a schedule was fired; undefined if none is running. */
  since(schedule: string): Date | undefined {
    return [...this.#all].find((running) => isOf(running, schedule))?.firedAt;
  }

  abortSlot(slot: Slot, cause: AbortCause): void {
    for (const running of this.awaited) if (running.slot === slot) running.abort(cause);
  }

  /** @returns the number of ticks that were aborted. */
  abortSchedule(schedule: string, cause: AbortCause): number {
    for (const list of this.listsOf(schedule)) list.abort(cause);
    return this.of(schedule).filter((tick) => tick.abort(cause)).length;
  }

  /**
   * @param failed the slot whose item has led to the pause; its list continues, because one item's failure doesn't stop the
   * others.
   */
  pauseLists(schedule: string, failed?: Slot): void {
    for (const list of this.listsOf(schedule)) if (list.slot !== failed) list.pause();
  }

  resumeLists(schedule: string): void {
    for (const list of this.listsOf(schedule)) list.resume();
  }

  get count(): number {
    return this.everyTick.length;
  }

  private listsOf(schedule: string): TickList[] {
    const lists = [...this.#all].filter((running) => running instanceof TickList);
    return lists.filter((list) => isOf(list, schedule));
  }
}

/** Returns true for work of the schedule with this name. A standalone tick may have that name too, but belongs to no schedule. */
export function isOf({ slot: { schedule } }: RunningWork, name: string): boolean {
  return schedule.name === name && schedule.target.isStandalone !== true;
}
