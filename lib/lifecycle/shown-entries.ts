import { CronJob, type CronTime } from 'cron';
import type { Schedule } from '../schedule/schedule.js';
import { fromEmptyContext } from '../scope/work-context.js';

/** The operations on a schedule that a job can call. */
export interface JobControl {
  isActive(): boolean;
  /** Returns true while a tick of the schedule runs. */
  isRunning(): boolean;
  run(): Promise<void>;
  start(): void;
  /** Pauses the schedule. The promise resolves when the running ticks of the schedule have ended. */
  stop(): Promise<void> | undefined;
  setTime(time: unknown): void;
}

/** The functions that were passed to `addCallback()`. */
export type JobCallbacks = ((this: unknown, onComplete: unknown) => unknown)[];

/**
 * Makes a `CronJob` that has no timer and whose methods act on a schedule. `waitForCompletion` follows the overlap rule of the
 * schedule: if it is true, the job's `stop()` and `fireOnTick()` return promises that wait for the run to finish.
 *
 * @param callbacks receives the functions from `addCallback()`.
 */
export function shownJob(
  { name, expression, options }: Schedule,
  time: CronTime,
  control: JobControl,
  callbacks: JobCallbacks,
): CronJob {
  const waitForCompletion = options.overlap !== 'allow';
  const job = CronJob.from({
    cronTime: expression!,
    onTick: () => control.run(),
    start: false,
    name,
    waitForCompletion,
  }) as CronJob;
  job.cronTime = time;
  Object.defineProperties(job, {
    isActive: { get: () => control.isActive() },
    running: { get: () => control.isActive() }, // the name of `isActive` in cron 3
    isCallbackRunning: { get: () => control.isRunning() },
    // In `cron`, `fireOnTick()` does nothing while this is true; here the overlap rule decides.
    _isCallbackRunning: { get: () => false, set: nothing },
    waitForCompletion: {
      get: () => waitForCompletion,
      set: () => {
        throw new Error(
          `${name}: waitForCompletion cannot be set on a job. Set overlap on the decorator of the schedule: 'skip' corresponds to true, 'allow' to false.`,
        );
      },
    },
    start: { value: () => control.start() },
    stop: {
      value: () => {
        const settled = control.stop();
        return waitForCompletion ? settled : undefined;
      },
    },
    setTime: { value: (at: unknown) => control.setTime(at) },
    addCallback: {
      value: (callback: unknown) => {
        if (typeof callback === 'function') callbacks.push(callback as JobCallbacks[number]);
      },
    },
  });
  return job;
}

/**
 * Makes a timer that never fires, for code that expects the timer of a schedule. The timer calls `onClear` once, when it is
 * cleared: with `clearInterval()` or `clearTimeout()` (including by its numeric ID), `close()` or `using`.
 *
 * In Node 20 to 26, clearing a timer always writes `null` to `_onTimeout` (`lib/timers.js`). The fake clocks of Jest, Vitest
 * and sinon create timers without this field, and read the numeric ID of a timer only to clear it.
 */
export function shownTimer(onClear: () => void): NodeJS.Timeout {
  // A timer keeps the AsyncLocalStorage store that is current when it is created.
  const timer = fromEmptyContext(() => setTimeout(nothing, 1));
  clearTimeout(timer);
  let isCleared = false;
  const clear = (): void => {
    if (isCleared) return;
    isCleared = true;
    onClear();
  };
  if (typeof timer !== 'object') return timer; // a number, from a fake browser clock
  if (Object.hasOwn(timer, '_onTimeout')) {
    Object.defineProperty(timer, '_onTimeout', {
      get: () => (isCleared ? null : nothing),
      set: clear,
    });
    return timer;
  }
  const toPrimitive = timer[Symbol.toPrimitive]?.bind(timer);
  const refresh = (): NodeJS.Timeout => timer; // a fake clock's `refresh()` would start the timer
  return Object.assign(timer, {
    refresh,
    [Symbol.toPrimitive]: (hint?: string) => {
      if (hint === 'number') clear();
      return toPrimitive?.() ?? Number.NaN;
    },
  });
}

function nothing(): void {}
