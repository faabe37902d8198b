import type { Schedule } from '../../schedule/schedule.js';
import type { Slot, Trigger } from '../../schedule/slot.js';
import type { EngineHost } from '../engine.js';
import { Alarm } from '../../time/alarm.js';

/** A clock set back by more than this is a correction, by less a repeated hour (as Vixie cron has it). */
const CORRECTION_MS = 3 * 3_600_000;

/** Slots that are named one by one when many were missed at once. */
const NAMED_MISSES = 100;

/** Fires one schedule. */
export class ScheduleClock {
  readonly #alarm: Alarm;
  readonly #delays = new Set<Alarm>();
  #next: number | undefined;
  #stopped = false;
  paused = false;

  constructor(
    private readonly schedule: Schedule,
    private readonly host: EngineHost,
    private readonly unref: boolean,
  ) {
    this.#alarm = new Alarm(unref);
  }

  get nextRun(): number | undefined {
    return this.paused || this.#stopped ? undefined : this.#next;
  }

  start(now: number): void {
    const { options, timeline } = this.schedule;
    const startAt = now + options.initialDelayMs;
    if (options.runOnStart) {
      this.afterDelay(startAt - now, () => {
        const done = this.host.fire(this.slot(startAt, 'start'));
        if (options.fixedDelay) void done.then(() => this.arm(timeline.again(Date.now())));
      });
      if (options.fixedDelay) return;
    }
    const first = timeline.first(startAt, options.initialDelayMs > 0);
    // The tick at the start takes the slot of one that is due at the same moment.
    const isTaken = options.runOnStart && first === startAt;
    this.arm(isTaken ? timeline.after(first) : first);
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
    for (const delay of this.#delays) delay.clear();
    this.#delays.clear();
  }

  private arm(at: number | undefined): void {
    this.#next = at;
    if (at === undefined || this.#stopped) return;
    this.#alarm.set(
      at,
      () => this.ring(at),
      (byMs) => this.onSetBack(at, byMs),
    );
  }

  /** Re-arms before it fires: whatever the tick does, the schedule lives on. */
  private ring(at: number): void {
    const { timeline, options } = this.schedule;
    const due = this.dueUntilNow(at);
    const current = due.pop()!;
    if (options.fixedDelay) this.#next = undefined;
    else this.arm(timeline.after(current));
    if (due.length > 0)
      this.host.missed(due.slice(-NAMED_MISSES).map((missed) => this.slot(missed)));
    this.afterDelay(options.jitterMs > 0 ? Math.random() * options.jitterMs : 0, () => {
      const done = this.host.fire(this.slot(current));
      if (options.fixedDelay) void done.then(() => this.arm(timeline.again(Date.now())));
    });
  }

  /** The slots from `at` to now: one, or more when the event loop was blocked or the machine slept. */
  private dueUntilNow(at: number): number[] {
    const { timeline, options } = this.schedule;
    const due = [at];
    if (options.fixedDelay) return due;
    const now = Date.now();
    for (
      let next = timeline.after(at);
      next !== undefined && next <= now;
      next = timeline.after(next)
    ) {
      due.push(next);
      // After a long sleep there are too many to walk one by one; those that are left out are not named.
      if (due.length % NAMED_MISSES === 0) next = this.skipAhead(next, now, next - at);
    }
    return due;
  }

  /** A slot between `from` and now, about `window` before now; further back when there is none so late. */
  private skipAhead(from: number, now: number, window: number): number {
    for (let back = window; now - back > from; back *= 2) {
      const slot = this.schedule.timeline.skipTo(from, now - back);
      if (slot === undefined) return from;
      if (slot <= now) return slot;
    }
    return from;
  }

  /** Periods and delays keep what is left of their wait; a cron follows the wall clock. */
  private onSetBack(at: number, byMs: number): void {
    const isCron = this.schedule.kind === 'cron';
    if (!isCron) this.arm(at - byMs);
    else this.arm(byMs < CORRECTION_MS ? at : this.schedule.timeline.again(Date.now()));
  }

  private afterDelay(delayMs: number, work: () => void): void {
    if (this.#stopped) return;
    if (delayMs <= 0) return work();
    const delay = new Alarm(this.unref);
    this.#delays.add(delay);
    const ring = (): void => {
      this.#delays.delete(delay);
      work();
    };
    delay.set(Date.now() + delayMs, ring, ring);
  }

  private slot(at: number, trigger: Trigger = this.schedule.kind): Slot {
    return { schedule: this.schedule, scheduledAt: new Date(at), trigger };
  }
}
