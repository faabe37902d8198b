import { ScopedInterval, ScopedWorker, type HandlerOptions, type Tick } from '../../lib/index.js';
import { startApp, type TestApp } from './app.js';
import { afterNoon } from './fake-clock.js';
import type { Gate } from './gate.js';

/** What the interval of a test does with a tick. */
export type Work = (tick: Tick, run: number) => unknown;

/** Starts an application with one interval, `Poller.poll`. */
export function intervalApp(
  everyMs: number,
  work: Work,
  options?: HandlerOptions,
): Promise<TestApp> {
  let runs = 0;
  @ScopedWorker()
  class Poller {
    @ScopedInterval(everyMs, options)
    poll(tick: Tick): unknown {
      runs += 1;
      return work(tick, runs);
    }
  }
  return startApp({ providers: [Poller] });
}

/** Records when ticks were due and when they began, in ms after noon, and holds those that have a gate. */
export function recorder(gates: Record<number, Gate> = {}) {
  const due: string[] = [];
  const begun: string[] = [];
  const work: Work = (tick, run) => {
    due.push(tick.scheduledAt.toISOString());
    begun.push(new Date().toISOString());
    return gates[run]?.opened;
  };
  return { due, begun, work };
}

/** The moments so many milliseconds after noon, as text. */
export const at = (...ms: number[]): string[] => ms.map(afterNoon);
