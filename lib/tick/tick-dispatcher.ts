import { overlapKeyOf, type Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { ItemRunner } from './item-runner.js';
import { OverlapGate } from './overlap-gate.js';
import { RunningTicks } from './running-ticks.js';
import { slotByHand } from './work-by-hand.js';
import { nextTickId } from './tick-course.js';
import { SlotObserver } from './slot-observer.js';
import { TickObserver } from './tick-observer.js';
import { skippedReport, type SkipReason, type TickReport } from './tick-report.js';
import { TickRunner, type TickRunOptions } from './tick-runner.js';

/**
 * The door between what is due and what runs: it lets a slot through, holds it, or skips it with a
 * reason. A skipped slot builds nothing.
 */
export class TickDispatcher {
  /** By overlap key; only of what runs or waits. */
  readonly #gates = new Map<string, OverlapGate>();
  readonly #paused = new Set<string>();
  #closedFor: 'not-started' | 'stopping' | undefined = 'not-started';

  constructor(
    private readonly runner: TickRunner,
    private readonly items: ItemRunner,
    private readonly running: RunningTicks,
    private readonly observer: TickObserver,
    private readonly slots: SlotObserver,
  ) {}

  /** Never rejects: an error of the tick stands in its report. */
  async dispatch(slot: Slot, options: TickRunOptions = {}): Promise<TickReport> {
    if (this.#closedFor !== undefined) return this.skip(slot, this.#closedFor);
    if (slot.trigger !== 'manual' && this.#paused.has(slot.schedule.name))
      return this.skip(slot, 'paused');
    const { forEach } = slot.schedule.options;
    // What is asked for with a payload is asked for one item.
    const isList = forEach !== undefined && options.payload === undefined;
    const report = await this.pass(slot, () =>
      isList
        ? this.items.run(slot, forEach, (payload) => this.runItem(slot, payload))
        : this.runner.run(slot, options),
    );
    if (report.reason === 'no-items') this.observer.tickSkipped(report);
    if (report.outcome === 'skipped') return report;
    // Each item of a list has its own report. Only the summary says that the list was cut short.
    if (report.items === undefined || report.outcome === 'cancelled')
      this.observer.tickFinished(report);
    return report;
  }

  /**
   * Runs work while no tick of the overlap key runs. This also works before start-up is complete and during the shutdown,
   * because callers serve requests then too.
   *
   * @throws the error of `work`, or the reason of `signal` if that ends the wait.
   */
  exclusive<T>(key: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const slot = slotByHand(`exclusive(${key})`, work, { overlapKey: key }, work);
    return this.atGate(slot, (gate) => gate.hold(slot, work, signal));
  }

  skip(slot: Slot, reason: SkipReason): TickReport {
    const report = skippedReport(slot, nextTickId(), reason);
    this.observer.tickSkipped(report);
    return report;
  }

  /** Skips a slot that passed while nobody could run it. */
  miss(slot: Slot): TickReport {
    return this.skip(slot, this.#paused.has(slot.schedule.name) ? 'paused' : 'missed');
  }

  open(): void {
    this.#closedFor = undefined;
  }

  get isOpen(): boolean {
    return this.#closedFor === undefined;
  }

  /** From now on nothing begins: no tick, no further attempt; what waited in a buffer never will. */
  close(): void {
    this.#closedFor = 'stopping';
    for (const gate of this.#gates.values()) gate.clear('stopping');
    for (const running of this.running.all) running.beginNoMore('shutdown');
  }

  pause(schedule: Schedule): boolean {
    if (this.#paused.has(schedule.name)) return false;
    this.#paused.add(schedule.name);
    this.#gates.get(overlapKeyOf(schedule))?.clear('paused', schedule.name);
    return true;
  }

  resume(schedule: Schedule): boolean {
    return this.#paused.delete(schedule.name);
  }

  isPaused(schedule: Schedule): boolean {
    return this.#paused.has(schedule.name);
  }

  /** Forgets a schedule that is gone. What runs goes on; what waits is skipped. */
  forget(schedule: Schedule): void {
    this.#paused.delete(schedule.name);
    this.#gates.get(overlapKeyOf(schedule))?.clear('removed', schedule.name);
  }

  private async pass(slot: Slot, run: () => Promise<TickReport>): Promise<TickReport> {
    return this.atGate(slot, (gate) =>
      gate.pass({
        slot,
        run: async () => {
          const report = await run();
          if (report.outcome === 'skipped') return report;
          this.slots.slotRan(report, slot);
          // Each item has its own outcome; a failure to get the list is handled here.
          if (report.items === undefined) this.slots.tickRan(report, slot);
          return report;
        },
        skip: (reason) => this.skip(slot, reason),
      }),
    );
  }

  /** Keeps gates only while something runs or waits at them. */
  private async atGate<T>(
    { schedule }: Slot,
    enter: (gate: OverlapGate) => Promise<T>,
  ): Promise<T> {
    const key = overlapKeyOf(schedule);
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      gate = new OverlapGate((running) => this.running.abortSlot(running, 'overlap'));
      this.#gates.set(key, gate);
    }
    try {
      return await enter(gate);
    } finally {
      if (gate.isIdle && this.#gates.get(key) === gate) this.#gates.delete(key);
    }
  }

  private async runItem(slot: Slot, payload: unknown): Promise<TickReport> {
    const report = await this.runner.run(slot, { payload });
    this.slots.tickRan(report, slot);
    this.observer.tickFinished(report);
    return report;
  }
}
