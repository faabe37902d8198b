/** If the wall clock goes back by no more than this, it was slewed, not set. */
export const MOST_SLEWED_MS = 1_000;

/** Whom an alarm calls. */
export interface AlarmOwner {
  /** Called when the time is up. */
  ring(at: number): void;
  /** Called instead of `ring` if the clock was set back; the alarm is then off. */
  onSetBack(at: number, byMs: number): void;
}

/**
 * A timer that follows the wall clock: it reads the clock at least once a minute. The alarm handles three cases that `setTimeout`
 * gets wrong: a wait over 2^31-1 ms, a machine that slept, and a clock that was changed.
 *
 * There may be thousands of alarms, so setting one creates no closures.
 */
export class Alarm {
  static readonly LONGEST_WAIT_MS = 60_000;

  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = 0;
  /** The moment at which the Node timer is due. */
  #wakesAt = 0;

  constructor(
    private readonly unref: boolean,
    private readonly owner: AlarmOwner,
  ) {}

  /**
   * Returns an alarm that rings after `delayMs`. If the clock is set back in the meantime, the rest of the wait stays the same.
   */
  static after(delayMs: number, unref: boolean, ring: () => void): Alarm {
    const onSetBack = (at: number, byMs: number): void => alarm.set(at - byMs);
    const alarm = new Alarm(unref, { ring, onSetBack });
    alarm.set(Date.now() + delayMs);
    return alarm;
  }

  /** Rings at `at` (epoch ms), or soon if that time has passed. Replaces the time of an earlier call. */
  set(at: number): void {
    this.clear();
    const now = Date.now();
    const wait = Math.min(Math.max(at - now, 0), Alarm.LONGEST_WAIT_MS);
    this.#at = at;
    this.#wakesAt = now + wait;
    this.#timer = setTimeout(Alarm.#wake, wait, this);
    if (this.unref) this.#timer.unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  static #wake(this: void, alarm: Alarm): void {
    alarm.#timer = undefined;
    const at = alarm.#at;
    const now = Date.now();
    // Timers may fire a millisecond early by the wall clock, and NTP may slew it; neither is a step back.
    const setBackBy = alarm.#wakesAt - now;
    if (setBackBy > MOST_SLEWED_MS) alarm.owner.onSetBack(at, setBackBy);
    else if (now >= at) alarm.owner.ring(at);
    else alarm.set(at);
  }
}
