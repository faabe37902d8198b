import type { NestWrapper } from '../nest/index.js';
import type { Tick } from './tick.interface.js';
import type { TickReport, TickRetry } from './tick-report.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Slot } from '../schedule/slot.js';
import type { AroundHook } from './around.js';

/** Receives what happens to every tick; must not throw. */
export abstract class TickObserver {
  /** The tick was fired and has its scope; nothing is built yet. */
  abstract tickStarted(tick: Tick): void;
  /** The tick has ended: its scope is closed. */
  abstract tickFinished(report: TickReport): void;
  abstract tickSkipped(report: TickReport): void;
  /** An attempt did not succeed, and there will be another. */
  abstract tickRetrying(retry: TickRetry): void;
  /**
   * Code of the application failed where no code awaits it: a listener of a tick's signal threw; or `retry.backoffMs` threw or
   * didn't return a number, and the next attempt begins at once.
   */
  abstract strayFailed(
    where: 'abort-listener' | 'retry-backoff',
    tick: Pick<TickRetry, 'schedule' | 'tickId'>,
    error: unknown,
  ): void;
  /** Called once for each handler that left changed fields on its worker. */
  abstract stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void;
}

/**
 * Acts on failures. Called before the overlap slot is free, because `onFailure` also applies to the waiting slot. Must not
 * throw.
 */
export abstract class FailureObserver {
  /** A tick has not succeeded. It is the only tick of its slot, or the tick of one item of a list. */
  abstract tickFailed(report: TickReport, slot: Slot): void;
}

/** Keeps the last report of each schedule. */
export abstract class LastReports {
  /** @param report of the tick of a slot, or the summary of its list. */
  abstract remember(report: TickReport, schedule: Schedule): void;
}

/** The module options that ticks need. */
export interface TickSettings {
  readonly onOpen?: (tick: Tick) => void | Promise<void>;
  readonly around: readonly AroundHook[];
  readonly globalEnhancers: boolean;
  /** Whether the fields of workers are compared before and after their handlers. */
  readonly stateDetection: boolean;
}
