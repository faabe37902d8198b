import { Alarm } from './alarm.js';
import { onAbort } from './on-abort.js';

/**
 * Waits `ms` milliseconds, or until the signal is aborted; never rejects. If the clock is set back, the rest of the wait stays
 * the same.
 */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const alarm = new Alarm(false);
    const done = (): void => {
      alarm.clear();
      off();
      resolve();
    };
    const off = onAbort(signal, done);
    if (ms > 0) alarm.after(ms, done);
    else setImmediate(done);
  });
}
