// Not the global one: a test that fakes it would stop every consumer of the process.
import { setImmediate } from 'node:timers';

/** Awaited by work that continues in the next turn of the microtask queue. A new promise for each scope would cost more. */
export const NEXT_TURN = Promise.resolve();

/** The milliseconds and the number of steps after which the timers and sockets of the process have their turn. */
const LONGEST_MS = 5;
const MOST_STEPS = 64;

let begunAt = 0;
let steps = 0;
let pending: Promise<void> | undefined;

/**
 * Returns a promise if the timers and sockets of the process are due for a turn. A loop that may never wait for anything calls this
 * function before each step, and awaits the promise. All such loops share one count, because together they could hold up the
 * process for longer. The function also counts steps, because a test may have stopped the clock.
 */
export function turnOfProcess(): Promise<void> | undefined {
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
