import { Injectable } from '@nestjs/common';
import type { Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import { OverlapGate } from './overlap-gate.js';
import { TickObserver } from './tick-observer.js';
import { skippedReport, type SkipReason, type TickReport } from './tick-report.js';
import { nextTickId, TickRunner } from './tick-runner.js';

/**
 * The door between what is due and what runs: it lets a slot through, holds it, or skips it with a
 * reason. A skipped slot builds nothing.
 */
@Injectable()
export class TickDispatcher {
  readonly #gates = new Map<Schedule, OverlapGate>();
  readonly #paused = new Set<Schedule>();
  #closedFor: 'not-started' | 'stopping' | undefined = 'not-started';

  /**
   * Told of a tick that has run before its overlap slot is freed: what failure means for the schedule must hold
   * for the slot that waits as well.
   */
  judge: (report: TickReport) => void = () => undefined;

  constructor(
    private readonly runner: TickRunner,
    private readonly observer: TickObserver,
  ) {}

  /** Never rejects: an error of the tick stands in its report. */
  async dispatch(slot: Slot, payload?: unknown): Promise<TickReport> {
    const report = await this.admit(slot, payload);
    if (report.outcome !== 'skipped') this.observer.tickFinished(report);
    return report;
  }

  skip(slot: Slot, reason: SkipReason): TickReport {
    const report = skippedReport(slot, nextTickId(), reason);
    this.observer.tickSkipped(report);
    return report;
  }

  open(): void {
    this.#closedFor = undefined;
  }

  /** From now on nothing runs; what waited in a buffer never will. */
  close(): void {
    this.#closedFor = 'stopping';
    for (const gate of this.#gates.values()) gate.clear('stopping');
  }

  pause(schedule: Schedule): boolean {
    if (this.#paused.has(schedule)) return false;
    this.#paused.add(schedule);
    this.gateOf(schedule).clear('paused');
    return true;
  }

  resume(schedule: Schedule): boolean {
    return this.#paused.delete(schedule);
  }

  isPaused(schedule: Schedule): boolean {
    return this.#paused.has(schedule);
  }

  private admit(slot: Slot, payload: unknown): Promise<TickReport> {
    if (this.#closedFor !== undefined) return Promise.resolve(this.skip(slot, this.#closedFor));
    if (slot.trigger !== 'manual' && this.#paused.has(slot.schedule))
      return Promise.resolve(this.skip(slot, 'paused'));
    return this.gateOf(slot.schedule).pass(
      slot,
      async () => {
        const report = await this.runner.run(slot, payload);
        this.judge(report);
        return report;
      },
      (reason) => this.skip(slot, reason),
    );
  }

  private gateOf(schedule: Schedule): OverlapGate {
    let gate = this.#gates.get(schedule);
    if (gate === undefined) this.#gates.set(schedule, (gate = new OverlapGate()));
    return gate;
  }
}
