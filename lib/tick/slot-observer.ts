import type { Slot } from '../schedule/slot.js';
import type { TickReport } from './tick-report.js';

/**
 * Is told what a slot has run before its overlap slot is freed: what a failure means for the schedule must apply to the slot that
 * waits as well. Must not throw.
 */
export abstract class SlotObserver {
  /** A tick has run: the only one of its slot, or that of an item of a list. */
  abstract tickRan(report: TickReport, slot: Slot): void;
  /** All of a slot has run; `report` is that of its tick, or the summary of its list. */
  abstract slotRan(report: TickReport, slot: Slot): void;
}
