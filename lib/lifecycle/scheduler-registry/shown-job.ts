import { CronJob, type CronTime } from 'cron';
import type { Schedule } from '../../schedule/schedule.js';

/** The operations of a schedule that a job can call. */
export interface JobControl {
  isActive(): boolean;
  /** True while a tick of the schedule runs. */
  isRunning(): boolean;
  run(): Promise<void>;
  start(): void;
  /** Pauses the schedule. Settles when its running ticks have ended. */
  stop(): Promise<void> | undefined;
  setTime(time: unknown): void;
}

/** A function from `addCallback()`, and the arguments of its call. */
export type JobCallbacks = ((this: unknown, onComplete: unknown) => unknown)[];

/**
 * Makes a `CronJob` without its own timer, whose methods act on a schedule. `waitForCompletion` follows the overlap rule of the
 * schedule: if it is true, `stop()` and `fireOnTick()` of `cron` return promises that wait for the run.
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
    running: { get: () => control.isActive() }, // its name in cron 3
    isCallbackRunning: { get: () => control.isRunning() },
    waitForCompletion: {
      get: () => waitForCompletion,
      set: () => {
        throw new Error(
          `${name}: waitForCompletion cannot be set on a job. Set overlap on the decorator of the schedule: 'skip' waits, 'allow' does not.`,
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
