import type { NestWrapper } from '../nest/index.js';
import type { Tick } from './tick.js';
import type { TickReport, TickRetry } from './tick-report.js';
import type { Slot } from '../schedule/slot.js';
import type { AroundHook } from './around.js';

/** Is told of every tick; must not throw. */
export abstract class TickObserver {
  /** The tick was fired and has its scope; nothing is built yet. */
  abstract tickStarted(tick: Tick): void;
  /** The tick has ended: its scope is closed. */
  abstract tickFinished(report: TickReport): void;
  abstract tickSkipped(report: TickReport): void;
  /** An attempt did not succeed, and there will be another. */
  abstract tickRetrying(retry: TickRetry): void;
  /** `retry.backoffMs` threw, or gave no number; the next attempt comes at once. */
  abstract backoffFailed(
    tick: { readonly schedule: string; readonly id: string },
    error: unknown,
  ): void;
  /** Called once for each handler that left changed fields on its worker. */
  abstract stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void;
  /** A listener of a tick's signal threw. */
  abstract abortListenerFailed(
    tick: { readonly schedule: string; readonly id: string },
    error: unknown,
  ): void;
}

/**
 * Receives the reports of a slot before its overlap slot is free, because `onFailure` must also apply to the slot that waits. Must
 * not throw.
 */
export abstract class SlotObserver {
  /** A tick has run: the only one of its slot, or that of an item of a list. */
  abstract tickRan(report: TickReport, slot: Slot): void;
  /** All of a slot has run; `report` is that of its tick, or the summary of its list. */
  abstract slotRan(report: TickReport, slot: Slot): void;
}

/** What ticks need of the module's options. */
export abstract class TickSettings {
  abstract readonly onOpen: ((tick: Tick) => void | Promise<void>) | undefined;
  abstract readonly around: readonly AroundHook[];
  abstract readonly globalEnhancers: boolean;
  /** Whether the fields of workers are compared before and after their handlers. */
  abstract readonly stateDetection: boolean;
}
