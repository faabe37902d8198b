import { hasFixedDelay, type EngineSchedule } from '../schedule/schedule.js';
import type { EngineSlot, Trigger } from '../schedule/slot.js';
import type { EngineHost } from './engine.js';
import { decideMisfire, dueUntil, MOST_CAUGHT_UP } from '../schedule/misfire.js';
import { Alarm, type AlarmOwner } from '../util/alarm.js';

/** A backward step of at least this size counts as a clock correction; a smaller one only repeats an hour, as in Vixie cron. */
const CORRECTION_MS = 3 * 3_600_000;

/** The maximum number of missed slots that are reported at a time. */
const NAMED_MISSES = 100;

interface Delayed {
  readonly alarm: Alarm;
  readonly work: () => void;
  /** The due time of the tick on start-up; 0 for a slot that is already due and waits for its jitter. */
  readonly dueAt: number;
}

/** Decides when the slots of one schedule are due, and fires them. */
export class ScheduleClock implements AlarmOwner {
  readonly #alarm: Alarm;
  /** Undefined until something is delayed: most clocks never need the set, and there may be many clocks. */
  #delays: Set<Delayed> | undefined;
  /** The number of catch-up runs that haven't finished. */
  #caughtUp = 0;
  #next: number | undefined;
  #stopped = false;
  readonly #hasFixedDelay: boolean;
  paused = false;

  constructor(
    private readonly schedule: EngineSchedule,
    private readonly host: EngineHost,
    private readonly unref: boolean,
  ) {
    this.#alarm = new Alarm(unref, this);
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
        () => this.armAfter(this.host.fire(this.slot(startAt, 'start'))),
        startAt,
      );
      if (this.#hasFixedDelay) return;
    }
    const first = timeline.first(startAt, options.initialDelayMs > 0);
    // The tick on start-up replaces a slot that is due at the same moment.
    const isTaken = options.runOnStart && first === startAt;
    this.arm(isTaken ? timeline.after(first) : first);
  }

  /** Starts counting again from now: the initial delay and the tick on start-up don't apply to a new timing. */
  startAgain(now: number): void {
    this.arm(this.schedule.timeline.again(now));
  }

  /** Stops permanently. Slots that are due fire immediately, without waiting for their timer or jitter, so that none is lost. */
  retire(): void {
    this.#stopped = true;
    this.#alarm.clear();
    const waiting = [...(this.#delays ?? [])];
    this.#delays = undefined;
    for (const { alarm, dueAt, work } of waiting) {
      alarm.clear();
      if (dueAt <= Date.now()) work();
    }
    if (this.#next !== undefined && this.#next <= Date.now()) this.ring(this.#next);
  }

  private arm(at: number | undefined): void {
    this.#next = at;
    if (at !== undefined && !this.#stopped) this.#alarm.set(at);
  }

  /** Re-arms before firing, so that a tick can't stop its schedule. */
  ring(at: number): void {
    const { timeline, options } = this.schedule;
    const { misfireThresholdMs } = options;
    // The clock is read once, so that a long search doesn't make slots late.
    const now = Date.now();
    const most = options.misfire === 'all' ? MOST_CAUGHT_UP : NAMED_MISSES;
    const { due, next } = this.#hasFixedDelay
      ? { due: [at], next: undefined }
      : dueUntil(now, at, timeline, { most, misfireThresholdMs });
    const isPunctual = due.length === 1 && now - at <= misfireThresholdMs;
    const { run, missed } = isPunctual
      ? { run: due, missed: [] }
      : decideMisfire(this.schedule, due, now);
    // If there are several slots, each waits its turn, even if it is punctual.
    const takeTurns = run.length > 1 || (run.length === 1 && now - run[0]! > misfireThresholdMs);
    this.arm(next);
    if (missed.length > 0)
      this.host.missed(missed.slice(-NAMED_MISSES).map((slot) => this.slot(slot)));
    if (run.length === 0)
      return this.#hasFixedDelay ? this.arm(timeline.again(Date.now())) : undefined;
    this.afterDelay(options.jitterMs > 0 ? Math.random() * options.jitterMs : 0, () =>
      this.armAfter(isPunctual ? this.host.fire(this.slot(at)) : this.fireTogether(run, takeTurns)),
    );
  }

  /** Begins a fixed delay when the tick has finished. */
  private armAfter(done: Promise<unknown>): void {
    if (this.#hasFixedDelay) void done.then(() => this.startAgain(Date.now()));
  }

  /**
   * Fires slots together. Catch-up runs wait their turn, but slots that are missed while such a run waits follow the overlap
   * rule. Otherwise, a schedule that can't keep up would queue more and more slots.
   */
  private async fireTogether(run: readonly number[], takeTurns: boolean): Promise<void> {
    const mostCaughtUp = this.schedule.options.misfire === 'all' ? MOST_CAUGHT_UP : 1;
    const isCatchUp = takeTurns && this.#caughtUp < mostCaughtUp;
    const count = isCatchUp ? run.length : 0;
    this.#caughtUp += count;
    await Promise.all(run.map((slot) => this.host.fire({ ...this.slot(slot), isCatchUp })));
    this.#caughtUp -= count;
  }

  /** Re-arms when the clock is set back. Intervals and delays keep the remaining wait; crons and instants follow the clock. */
  onSetBack(at: number, byMs: number): void {
    const { timeline } = this.schedule;
    if (!timeline.followsClock) this.arm(at - byMs);
    else this.arm(byMs < CORRECTION_MS ? at : timeline.again(Date.now()));
  }

  private afterDelay(delayMs: number, work: () => void, dueAt = 0): void {
    // A listener may have changed the schedule when it received the missed slots. As in `retire()`, no due slot is lost.
    if (this.#stopped) return dueAt <= Date.now() ? work() : undefined;
    if (delayMs <= 0) return work();
    const alarm = Alarm.after(delayMs, this.unref, () => {
      this.#delays?.delete(delayed);
      work();
    });
    const delayed: Delayed = { alarm, work, dueAt };
    (this.#delays ??= new Set()).add(delayed);
  }

  private slot(at: number, trigger: Trigger = this.schedule.kind): EngineSlot {
    return { schedule: this.schedule, scheduledAt: new Date(at), trigger };
  }
}
