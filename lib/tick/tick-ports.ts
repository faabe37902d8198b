import type { NestWrapper } from '../nest/index.js';
import type { StrayFailure } from '../errors/stray-failure.interface.js';
import type { Tick } from './tick.interface.js';
import type { TickOverrun, TickReport, TickRetry } from './tick-report.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import type { AroundHook } from './around.js';

/** Receives the events of every tick; must not throw. */
export interface TickEvents {
  emit(event: 'tick:started', tick: Tick): void;
  emit(event: 'tick:finished', report: TickReport): void;
  emit(event: 'tick:skipped', report: TickReport): void;
  emit(event: 'tick:retrying', retry: TickRetry): void;
  emit(event: 'tick:overrun', overrun: TickOverrun): void;
  emit(event: 'failure:stray', failure: StrayFailure): void;
}

/** Receives what the library finds out about workers while ticks run. */
export interface TickFindings {
  /** Called at most once for each handler that has left changed fields on its worker. */
  stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void;
}

/**
 * Acts on failures. Called before the next waiting slot can start, because `onFailure` also applies to that slot. Must not
 * throw.
 */
export interface FailureObserver {
  /** Called when a tick hasn't succeeded: the only tick of its slot, or the tick of one item of a `forEach` list. */
  tickFailed(report: TickReport, slot: Slot): void;
}

/** Keeps the last report of each schedule. */
export interface LastReports {
  /** @param report the report of a slot's tick, or the summary of the slot's `forEach` list. */
  remember(report: TickReport, schedule: Schedule): void;
}

/** The module options that ticks need. */
export interface TickSettings {
  readonly onOpen?: (tick: Tick) => void | Promise<void>;
  readonly around: readonly AroundHook[];
  readonly globalEnhancers: boolean;
  /** True if the fields of workers are compared before and after their handlers run. */
  readonly stateDetection: boolean;
}
