import { Alarm } from './alarm.js';
import { onAbort } from './on-abort.js';

/**
 * Waits `ms` milliseconds, or until the signal is aborted; never rejects. If the clock is set back, the rest of the wait stays
 * the same.
 */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      alarm?.clear();
      off();
      resolve();
    };
    const off = onAbort(signal, done);
    const alarm = ms > 0 ? Alarm.after(ms, false, done) : undefined;
    if (alarm === undefined) setImmediate(done);
  });
}
