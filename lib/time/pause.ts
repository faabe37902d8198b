import { Alarm } from './alarm.js';

/** Waits `ms` milliseconds by the wall clock, or until the signal is aborted; never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const alarm = new Alarm(false);
    const done = (): void => {
      alarm.clear();
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    if (ms <= 0) setImmediate(done);
    else alarm.set(Date.now() + ms, done, done);
  });
}
