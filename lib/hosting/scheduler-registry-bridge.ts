import { Logger } from '@nestjs/common';
import { CronJob, CronTime } from 'cron';
import { DuplicateScheduleError } from '../errors/index.js';
import { NestInside } from '../nest/index.js';
import type { ScheduleChange } from '../observability/event-map.js';
import { ScopedWorkerEvents } from '../observability/scoped-worker-events.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { CronZone } from '../schedule/cron-expression.js';
import { show } from '../checks/option-checks.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';

/** The part of `SchedulerRegistry` of `@nestjs/schedule` that is used; the same in 6 and 12. */
interface NestSchedulerRegistry {
  doesExist(type: 'cron', name: string): boolean;
  getCronJob(name: string): CronJob;
  addCronJob(name: string, job: CronJob): void;
  deleteCronJob(name: string): void;
}

/**
 * Shows our crons in the `SchedulerRegistry` of an application that imports `ScheduleModule.forRoot()`, as they come and
 * go. Each is a `CronJob` without a timer of its own: `nextDate()` and `lastDate()` answer, `start()` and `stop()`
 * resume and pause the schedule, `setTime()` reschedules it.
 */
export class SchedulerRegistryBridge {
  readonly #logger = new Logger('ScopedWorker');
  /** By schedule name; a job that is not here has nothing to do with its schedule any more. */
  readonly #jobs = new Map<string, CronJob>();
  #isClosing = false;

  constructor(
    private readonly nest: NestInside,
    private readonly book: ScheduleBook,
    private readonly registry: ScopedWorkerRegistry,
    private readonly events: ScopedWorkerEvents,
  ) {}

  /** @throws {DuplicateScheduleError} when a job of `@nestjs/schedule` has the name of one of ours. */
  show(schedules: readonly Schedule[]): void {
    const target = this.find();
    if (target === undefined) return;
    const crons = schedules.filter(isShown);
    const taken = crons.filter(({ name }) => target.doesExist('cron', name));
    if (taken.length > 0) {
      throw new DuplicateScheduleError(
        taken.map(
          ({ handler, name }) =>
            `${handler}: a job of @nestjs/schedule has the name "${name}" too. Give one of them another name.`,
        ),
      );
    }
    for (const schedule of crons) this.add(schedule, target);
    this.events.on('shutdown:started', () => (this.#isClosing = true));
    this.events.on('schedule:changed', (change) => this.changed(change, target));
    this.events.on('tick:started', ({ schedule, firedAt }) => {
      const job = this.#jobs.get(schedule);
      if (job !== undefined) job.lastExecution = firedAt;
    });
  }

  /** By its name and shape: the application may have another copy of `@nestjs/schedule` than we could import. */
  private find(): NestSchedulerRegistry | undefined {
    for (const { wrapper } of this.nest.wrappers()) {
      if (typeof wrapper.token !== 'function' || wrapper.token.name !== 'SchedulerRegistry')
        continue;
      const instance = wrapper.instance as Partial<NestSchedulerRegistry> | null;
      if (typeof instance?.addCronJob === 'function' && typeof instance.doesExist === 'function') {
        return instance as NestSchedulerRegistry;
      }
    }
    return undefined;
  }

  private changed({ schedule: name, change }: ScheduleChange, target: NestSchedulerRegistry): void {
    if (this.#isClosing || change === 'paused' || change === 'resumed') return;
    const schedule = this.book.has(name) ? this.book.get(name) : undefined;
    const job = this.#jobs.get(name);
    if (schedule === undefined || !isShown(schedule)) {
      if (job !== undefined) this.takeAway(name, job, target);
    } else if (job !== undefined) {
      job.cronTime = timeOf(schedule);
    } else if (target.doesExist('cron', name)) {
      this.#logger.warn(
        `${name}: a job of @nestjs/schedule has this name too, so the schedule is not shown in SchedulerRegistry. Give one of them another name.`,
      );
    } else {
      this.add(schedule, target);
    }
  }

  private add(schedule: Schedule, target: NestSchedulerRegistry): void {
    const job = this.jobOf(schedule);
    this.#jobs.set(schedule.name, job);
    target.addCronJob(schedule.name, job);
  }

  private takeAway(name: string, job: CronJob, target: NestSchedulerRegistry): void {
    this.#jobs.delete(name); // first: `deleteCronJob()` stops the job, which must not pause the schedule
    // The application may have deleted it, and added one of its own.
    if (target.doesExist('cron', name) && target.getCronJob(name) === job)
      target.deleteCronJob(name);
  }

  private jobOf(schedule: Schedule): CronJob {
    const { name } = schedule;
    const isHere = (): boolean => this.#jobs.get(name) === job;
    const run = (): void => {
      if (!isHere()) throw goneError(name);
      void this.registry.run(name);
    };
    const job = CronJob.from({
      cronTime: schedule.expression!,
      onTick: run,
      start: false,
      name,
    }) as CronJob;
    job.cronTime = timeOf(schedule);
    // On shutdown `ScheduleModule` stops every job that it knows; that is no wish to pause ours.
    const ifHere = (work: () => void) => (): void =>
      this.#isClosing || !isHere() ? undefined : work();
    const setTime = (time: unknown): void => {
      if (!isHere()) throw goneError(name);
      this.registry.reschedule(name, { cron: expressionOf(time, this.book.get(name)) });
    };
    Object.defineProperties(job, {
      isActive: { get: () => isHere() && this.registry.get(name).state === 'active' },
      start: { value: ifHere(() => this.registry.resume(name)) },
      stop: { value: ifHere(() => this.registry.pause(name)) },
      setTime: { value: setTime },
    });
    return job;
  }
}

function isShown(schedule: Schedule): boolean {
  return schedule.kind === 'cron' && !isDisabled(schedule);
}

function timeOf({ expression, options: { timeZone, utcOffset } }: Schedule): CronTime {
  return utcOffset === undefined
    ? new CronTime(expression!, timeZone)
    : new CronTime(expression!, null, utcOffset);
}

/**
 * The expression of a `CronTime`, which may come from another copy of `cron`. Its zone must be that of the schedule: a
 * `CronTime` without a zone stands for that of the process.
 *
 * @throws Error when it is none, or says more than an expression.
 */
function expressionOf(time: unknown, schedule: Schedule): string {
  const { source, timeZone, utcOffset } = (time ?? {}) as Partial<CronTime>;
  const refuse = (why: string): never => {
    throw new Error(`${schedule.name}: setTime() ${why}.`);
  };
  if (typeof source === 'object')
    return refuse('takes a cron expression, and one moment is none: use @ScopedTimeout');
  if (typeof time !== 'object' || typeof source !== 'string')
    return refuse(`takes a CronTime, such as new CronTime('0 */5 * * * *'), not ${show(time)}`);
  const own = timeOf(schedule);
  if (timeZone === own.timeZone && utcOffset === own.utcOffset) return source;
  return refuse(
    `keeps the zone of the schedule, which is ${zoneText(own)}, not ${zoneText({ timeZone, utcOffset })}: give the CronTime the same one`,
  );
}

function zoneText({ timeZone, utcOffset }: Partial<CronZone>): string {
  return timeZone ?? `an offset of ${utcOffset} minutes`;
}

function goneError(name: string): Error {
  return new Error(
    `${name} is not in SchedulerRegistry any more: it was removed, switched off, or is no cron now. Use ScopedWorkerRegistry.`,
  );
}
