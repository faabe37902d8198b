/**
 * A timer that follows the wall clock: it reads the clock at least once a minute. The alarm handles three cases that `setTimeout`
 * gets wrong: a wait over 2^31-1 ms, a machine that slept, and a clock that was set.
 */
export class Alarm {
  static readonly LONGEST_WAIT_MS = 60_000;

  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly unref: boolean) {}

  /**
   * Calls `ring` at `at` (epoch ms), or soon if that time has passed. Replaces what an earlier call set.
   *
   * @param onSetBack Called instead if the clock was set back; the alarm is then off.
   */
  set(at: number, ring: () => void, onSetBack: (byMs: number) => void): void {
    this.clear();
    const armedAt = Date.now();
    const wait = Math.min(Math.max(at - armedAt, 0), Alarm.LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const now = Date.now();
      // Timers may fire a millisecond early by the wall clock, and NTP may slew it; neither is a step back.
      const setBackBy = armedAt + wait - now;
      if (setBackBy > 1_000) onSetBack(setBackBy);
      else if (now >= at) ring();
      else this.set(at, ring, onSetBack);
    }, wait);
    if (this.unref) this.#timer.unref();
  }

  /** Calls `ring` after `delayMs`. If the clock is set back in the meantime, the rest of the wait stays the same. */
  after(delayMs: number, ring: () => void): void {
    const arm = (at: number): void => this.set(at, ring, (byMs) => arm(at - byMs));
    arm(Date.now() + delayMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
