import { isOf, type RunningWork, type RunningTicks } from '../tick/running-ticks.js';

/** A waiting call to `stop()`: the running ticks that contain the call, and those that it waits for. */
interface StopWait {
  readonly callers: readonly RunningWork[];
  readonly ends: readonly RunningWork[];
}

/**
 * Waits for running ticks to end when `stop()` is called on a job in Nest's `SchedulerRegistry`. Ticks that stop their own or
 * each other's jobs never wait in a cycle.
 */
export class JobStopWaits {
  readonly #waits = new Set<StopWait>();

  constructor(private readonly running: RunningTicks) {}

  /**
   * Waits until the currently running ticks of a schedule have ended. If called inside a tick, waits neither for that tick nor for
   * ticks that themselves wait for it.
   */
  async untilEnded(schedule: string): Promise<void> {
    const { awaited } = this.running;
    const callers = awaited.filter((running) => running.isInside());
    const ends = awaited.filter(
      (running) =>
        isOf(running, schedule) && !callers.some((caller) => this.needs(running, caller)),
    );
    const wait = { callers, ends };
    this.#waits.add(wait);
    await Promise.all(ends.map(({ ended }) => ended.opened));
    this.#waits.delete(wait);
  }

  /**
   * Returns true if a tick can end only after another tick has ended, or if both are the same tick. Waits never form a cycle, so the
   * recursion ends.
   */
  private needs(running: RunningWork, other: RunningWork): boolean {
    if (running === other) return true;
    return [...this.#waits].some(
      ({ callers, ends }) =>
        callers.includes(running) && ends.some((end) => this.needs(end, other)),
    );
  }
}
