// This isn't the global `setImmediate`: a test that fakes the global one would stop every consumer of the process.
import { setImmediate } from 'node:timers';

/** Awaited by work that continues in a microtask. A new promise for each scope would cost more. */
export const NEXT_MICROTASK = Promise.resolve();

/** The milliseconds and the number of steps after which loops yield to the timers and I/O callbacks of the process. */
const LONGEST_MS = 5;
const MOST_STEPS = 64;

let begunAt = 0;
let steps = 0;
let pending: Promise<void> | undefined;

/**
 * Returns a promise if the timers and I/O callbacks of the process have waited long enough. A loop that may never wait for
 * anything calls this function before each step, and awaits the promise. All such loops share one count, because together they
 * could hold up the process for longer than one loop may. The function also counts steps, because a test may have stopped the clock.
 */
export function yieldToEventLoop(): Promise<void> | undefined {
  if (pending !== undefined) return pending;
  steps += 1;
  if (steps < MOST_STEPS && performance.now() - begunAt < LONGEST_MS) return undefined;
  pending = new Promise((resolve) =>
    setImmediate(() => {
      pending = undefined;
      steps = 0;
      begunAt = performance.now();
      resolve();
    }),
  );
  return pending;
}
