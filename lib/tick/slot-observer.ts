import type { Slot } from '../schedule/slot.js';
import type { TickReport } from './tick-report.js';

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
