import { hasFixedDelay, type EngineSchedule } from '../schedule/schedule.js';
import type { EngineSlot, Trigger } from '../schedule/slot.js';
import { InstantTimeline } from '../schedule/timeline.js';
import type { EngineHost } from './engine.js';
import { decideMisfire, MOST_MADE_UP } from '../schedule/misfire.js';
import { Alarm } from '../util/alarm.js';

/** A clock set back by more than this is a correction, by less a repeated hour (as Vixie cron has it). */
const CORRECTION_MS = 3 * 3_600_000;

/** Slots that are named one by one when many were missed at once. */
const NAMED_MISSES = 100;

interface Delayed {
  readonly alarm: Alarm;
  readonly work: () => void;
  /** True for slots, which wait for their jitter; false for the tick at the start. */
  readonly isDue: boolean;
}

/** Fires one schedule. */
export class ScheduleClock {
  readonly #alarm: Alarm;
  readonly #delays = new Set<Delayed>();
  /** Slots that wait their turn because they were made up for, and have not ended. */
  #madeUp = 0;
  #next: number | undefined;
  #stopped = false;
  readonly #hasFixedDelay: boolean;
  paused = false;

  constructor(
    private readonly schedule: EngineSchedule,
    private readonly host: EngineHost,
    private readonly unref: boolean,
  ) {
    this.#alarm = new Alarm(unref);
    this.#hasFixedDelay = hasFixedDelay(schedule);
  }

  get nextRun(): number | undefined {
    return this.paused || this.#stopped ? undefined : this.#next;
  }

  start(now: number): void {
    const { options, timeline } = this.schedule;
    const startAt = now + options.initialDelayMs;
    if (options.runOnStart) {
      this.afterDelay(
        startAt - now,
        () => {
          const done = this.host.fire(this.slot(startAt, 'start'));
          if (this.#hasFixedDelay) void done.then(() => this.arm(timeline.again(Date.now())));
        },
        false,
      );
      if (this.#hasFixedDelay) return;
    }
    const first = timeline.first(startAt, options.initialDelayMs > 0);
    // The tick at the start takes the slot of one that is due at the same moment.
    const isTaken = options.runOnStart && first === startAt;
    this.arm(isTaken ? timeline.after(first) : first);
  }

  /** Counts afresh: neither the delay nor the tick of a start is meant for a new timing. */
  startAgain(now: number): void {
    this.arm(this.schedule.timeline.again(now));
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
    for (const { alarm } of this.#delays) alarm.clear();
    this.#delays.clear();
  }

  /** As `stop()`, for a schedule that is changed or taken away: what waits for its jitter is fired at once, and not lost. */
  retire(): void {
    const waiting = [...this.#delays];
    this.stop();
    for (const { isDue, work } of waiting) if (isDue) work();
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
    // One look at the clock: the search, which may take its time, makes no slot late.
    const now = Date.now();
    const due = this.dueUntil(now, at);
    const { run, missed } = decideMisfire(this.schedule, due, now);
    const isMadeUp =
      run.length > 1 || (run.length === 1 && now - run[0]! > options.misfireThresholdMs);
    if (this.#hasFixedDelay) this.#next = undefined;
    else this.arm(timeline.after(due.at(-1)!));
    if (missed.length > 0)
      this.host.missed(missed.slice(-NAMED_MISSES).map((slot) => this.slot(slot)));
    if (run.length === 0 && this.#hasFixedDelay) return this.arm(timeline.again(Date.now()));
    this.afterDelay(options.jitterMs > 0 ? Math.random() * options.jitterMs : 0, () => {
      const done = this.fireTogether(run, isMadeUp);
      if (this.#hasFixedDelay) void done.then(() => this.arm(timeline.again(Date.now())));
    });
  }

  /**
   * Together with what is made up for, a slot waits its turn. A schedule that cannot keep up would queue more and more of
   * them: what is missed while they wait is due like any other slot, and the overlap rule holds.
   */
  private async fireTogether(run: readonly number[], isMadeUp: boolean): Promise<void> {
    const most = this.schedule.options.misfire === 'all' ? MOST_MADE_UP : 1;
    const isCatchUp = isMadeUp && this.#madeUp < most;
    const count = isCatchUp ? run.length : 0;
    this.#madeUp += count;
    await Promise.all(run.map((slot) => this.host.fire({ ...this.slot(slot), isCatchUp })));
    this.#madeUp -= count;
  }

  /** The slots from `at` on: one, or more when the event loop was blocked or the machine slept. */
  private dueUntil(now: number, at: number): number[] {
    const { timeline, options } = this.schedule;
    const due = [at];
    if (this.#hasFixedDelay) return due;
    const walk = options.misfire === 'all' ? MOST_MADE_UP : NAMED_MISSES;
    for (
      let next = timeline.after(at);
      next !== undefined && next <= now;
      next = timeline.after(next)
    ) {
      due.push(next);
      // After a long sleep there are too many to walk one by one; those that are left out are not named. What is kept
      // in the end is the latest: a little more than this walk has found is left to find.
      if (due.length % walk === 0) {
        const ahead = this.skipAhead(next, now, (next - at) * 1.1);
        // Due itself: of an irregular cron nothing may be left to find after it.
        if (ahead > next) due.push((next = ahead));
      }
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

  /** Periods and delays keep what is left of their wait; a cron and a known moment follow the wall clock. */
  private onSetBack(at: number, byMs: number): void {
    const { kind, timeline } = this.schedule;
    const followsClock = kind === 'cron' || timeline instanceof InstantTimeline;
    if (!followsClock) this.arm(at - byMs);
    else this.arm(byMs < CORRECTION_MS ? at : timeline.again(Date.now()));
  }

  private afterDelay(delayMs: number, work: () => void, isDue = true): void {
    // A listener may have changed the schedule while it was told of missed slots: as with `retire()`, nothing due is lost.
    if (this.#stopped) return isDue ? work() : undefined;
    if (delayMs <= 0) return work();
    const delayed: Delayed = { alarm: new Alarm(this.unref), work, isDue };
    this.#delays.add(delayed);
    const ring = (): void => {
      this.#delays.delete(delayed);
      work();
    };
    delayed.alarm.set(Date.now() + delayMs, ring, ring);
  }

  private slot(at: number, trigger: Trigger = this.schedule.kind): EngineSlot {
    return { schedule: this.schedule, scheduledAt: new Date(at), trigger };
  }
}
