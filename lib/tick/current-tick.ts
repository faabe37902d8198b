import type { Slot } from '../schedule/slot.js';
import { contexts } from '../scope/work-context.js';
import type { Tick } from './tick.interface.js';

/**
 * Returns the tick that the calling code is part of, from AsyncLocalStorage; undefined outside ticks and after the tick's scope
 * has closed.
 *
 * @publicApi
 */
export function currentTick(): Tick | undefined {
  for (const { owner, isTickScope } of contexts()) {
    if (owner?.tick !== undefined) return owner.tick as Tick;
    if (isTickScope) return undefined; // the code belongs to a tick that has ended
  }
  return undefined;
}

/** Returns true if the calling code belongs to the work of the slot, or to ticks and scopes that this work started. */
export function isInsideSlot(slot: Slot): boolean {
  for (const { owner } of contexts()) if (owner?.slot === slot) return true;
  return false;
}
