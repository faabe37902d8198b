import { jest } from '@jest/globals';

/** A Thursday at noon, with no daylight-saving change near it. */
export const NOON = new Date('2026-01-15T12:00:00.000Z');

/** Fakes `Date`, `performance.now()`, timeouts and intervals; promises and `setImmediate` stay real. */
export function useFakeClock(now: Date = NOON): void {
  jest.useFakeTimers({ now, doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
}

/** Moves the fake clock on, running timers and the promise callbacks between them. */
export async function advance(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
}

/** Moves the fake clock by one leap without running timers, as a sleeping machine or a blocked loop does. */
export function leap(ms: number): void {
  jest.setSystemTime(Date.now() + ms);
}

/** The moment `ms` after noon, as text; for comparing with `scheduledAt`. */
export function afterNoon(ms: number): string {
  return new Date(NOON.getTime() + ms).toISOString();
}
