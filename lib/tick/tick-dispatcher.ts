import type { Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { getOrAdd } from '../util/values.js';
import { OverlapGate, overlapKeyOf } from './overlap-gate.js';
import { RunningTicks, nextTickId } from './running-ticks.js';
import { standaloneSlot } from './standalone-tick.js';
import { ItemRunner } from './item-runner.js';
import { TickRunner, type TickRunOptions } from './tick-runner.js';
import type { FailureObserver, LastReports, TickEvents } from './tick-ports.js';
import { skippedReport, type SkipReason, type TickReport } from './tick-report.js';

/**
 * Decides whether a due slot runs: lets it through, delays it, or skips it with a reason, before anything is built for it.
 */
export class TickDispatcher {
  /** The gates by overlap key; each exists only while something runs or waits in it. */
  readonly #gates = new Map<string, OverlapGate>();
  readonly #paused = new Set<string>();
  #closedFor: 'not-started' | 'stopping' | undefined = 'not-started';

  constructor(
    private readonly ticks: TickRunner,
    private readonly lists: ItemRunner,
    private readonly running: RunningTicks,
    private readonly failures: FailureObserver,
    private readonly reports: LastReports,
    private readonly events: TickEvents,
  ) {}

  /** Runs or skips a slot. Never rejects: the report has the error of the tick. */
  dispatch(slot: Slot, options: TickRunOptions = {}): Promise<TickReport> {
    if (this.#closedFor !== undefined) return Promise.resolve(this.skip(slot, this.#closedFor));
    if (slot.trigger !== 'manual' && this.#paused.has(slot.schedule.name))
      return Promise.resolve(this.skip(slot, 'paused'));
    return this.gateOf(slot).pass({
      slot,
      run: (leave) => this.run(slot, options, leave),
      skip: (reason) => this.skip(slot, reason),
    });
  }

  /**
   * Runs work while no tick of the overlap key runs. Inside such a tick, the work doesn't wait for ticks. This also works before
   * start-up is complete and during the shutdown, because callers serve requests then too.
   *
   * @throws the error of `work`, or the reason of `signal` if the signal ends the wait.
   */
  async exclusive<T>(key: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const slot = standaloneSlot(`exclusive(${key})`, work, { overlapKey: key }, work);
    return this.gateOf(slot).exclusive(slot, work, signal);
  }

  skip(slot: Slot, reason: SkipReason): TickReport {
    const report = skippedReport(slot, nextTickId(), reason);
    this.events.emit('tick:skipped', report);
    return report;
  }

  /** Skips a slot that passed while it couldn't run. */
  miss(slot: Slot): TickReport {
    return this.skip(slot, this.#paused.has(slot.schedule.name) ? 'paused' : 'missed');
  }

  open(): void {
    this.#closedFor = undefined;
  }

  get isOpen(): boolean {
    return this.#closedFor === undefined;
  }

  /** Prevents further ticks and attempts. Waiting ticks never run. */
  close(): void {
    this.#closedFor = 'stopping';
    for (const gate of this.#gates.values()) gate.drop('stopping')();
    for (const running of this.running.awaited) running.beginNoMore('shutdown');
  }

  /** Pauses a schedule; returns false if it was already paused. */
  pause(schedule: Schedule): boolean {
    if (this.#paused.has(schedule.name)) return false;
    this.#paused.add(schedule.name);
    return true;
  }

  /** Skips the waiting ticks of a schedule, except manual runs, if the schedule is paused. */
  skipPaused(schedule: Schedule): void {
    if (this.isPaused(schedule))
      this.#gates.get(overlapKeyOf(schedule))?.drop('paused', schedule.name)();
  }

  resume(schedule: Schedule): boolean {
    return this.#paused.delete(schedule.name);
  }

  isPaused(schedule: Schedule): boolean {
    return this.#paused.has(schedule.name);
  }

  /**
   * Forgets a removed schedule. Its running ticks continue.
   *
   * @returns a function that reports its waiting ticks as skipped.
   */
  forget(schedule: Schedule): (() => void) | undefined {
    this.#paused.delete(schedule.name);
    return this.#gates.get(overlapKeyOf(schedule))?.drop('removed', schedule.name);
  }

  private async run(slot: Slot, options: TickRunOptions, leave: () => void): Promise<TickReport> {
    // A run with a payload processes only that payload.
    const isList = slot.schedule.options.forEach !== undefined && options.payload === undefined;
    let report: TickReport;
    try {
      report = await (isList ? this.lists.run(slot) : this.ticks.run(slot, options));
      if (report.outcome === 'skipped') this.events.emit('tick:skipped', report);
      else this.reports.remember(report, slot.schedule);
      // `onFailure` has already been applied to the failures of items.
      if (report.items === undefined && report.outcome !== 'succeeded')
        this.failures.tickFailed(report, slot);
    } finally {
      leave(); // before `tick:finished`, because a listener may run the same schedule
    }
    // Items have their own reports, so the summary is emitted only if there was no list, or if the summary has a `reason`.
    const isTold = report.items === undefined || report.reason !== undefined;
    if (report.outcome !== 'skipped' && isTold) this.events.emit('tick:finished', report);
    return report;
  }

  private gateOf({ schedule }: Slot): OverlapGate {
    const key = overlapKeyOf(schedule);
    return getOrAdd(this.#gates, key, () => {
      const abort = (running: Slot): void => this.running.abortSlot(running, 'overlap');
      return new OverlapGate(abort, () => this.#gates.delete(key));
    });
  }
}
