import { Injectable } from '@nestjs/common';
import { CronJob } from 'cron';
import { DuplicateScheduleError } from '../errors/index.js';
import { NestInside } from '../nest/index.js';
import { ScopedWorkerEvents } from '../observability/scoped-worker-events.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { Schedule } from '../schedule/schedule.js';

/** The part of `SchedulerRegistry` of `@nestjs/schedule` that is used; the same in 6 and 12. */
interface NestSchedulerRegistry {
  doesExist(type: 'cron', name: string): boolean;
  addCronJob(name: string, job: CronJob): void;
}

/**
 * Shows our crons in the `SchedulerRegistry` of an application that imports `ScheduleModule.forRoot()`. Each
 * is a `CronJob` without a timer of its own: `nextDate()` and `lastDate()` answer, `start()` and `stop()`
 * resume and pause the schedule.
 */
@Injectable()
export class SchedulerRegistryBridge {
  #isClosing = false;

  constructor(
    private readonly nest: NestInside,
    private readonly registry: ScopedWorkerRegistry,
    private readonly events: ScopedWorkerEvents,
  ) {}

  /** @throws {DuplicateScheduleError} when a job of `@nestjs/schedule` has the name of one of ours. */
  show(schedules: readonly Schedule[]): void {
    const target = this.find();
    if (target === undefined) return;
    this.events.on('shutdown:started', () => (this.#isClosing = true));
    const crons = schedules.filter(({ kind, options }) => kind === 'cron' && !options.disabled);
    const taken = crons.filter(({ name }) => target.doesExist('cron', name));
    if (taken.length > 0) {
      throw new DuplicateScheduleError(
        taken.map(
          ({ handler, name }) =>
            `${handler}: a job of @nestjs/schedule has the name "${name}" too. Give one of them another name.`,
        ),
      );
    }
    for (const schedule of crons) target.addCronJob(schedule.name, this.jobOf(schedule));
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

  private jobOf({ name, expression, options }: Schedule): CronJob {
    const { timeZone, utcOffset } = options;
    const run = (): void => void this.registry.run(name);
    const zone = utcOffset === undefined ? { timeZone: timeZone ?? null } : { utcOffset };
    const job = CronJob.from({
      cronTime: expression!,
      onTick: run,
      start: false,
      name,
      ...zone,
    } as never) as CronJob;
    const isActive = (): boolean => this.registry.get(name).state === 'active';
    // On shutdown `ScheduleModule` stops every job that it knows; that is no wish to pause ours.
    const unless = (work: () => void) => (): void => (this.#isClosing ? undefined : work());
    Object.defineProperties(job, {
      isActive: { get: isActive },
      start: { value: unless(() => this.registry.resume(name)) },
      stop: { value: unless(() => this.registry.pause(name)) },
      setTime: { value: () => refuseSetTime(name) },
    });
    this.events.on('tick:started', (tick) => {
      if (tick.schedule === name) job.lastExecution = tick.firedAt;
    });
    return job;
  }
}

function refuseSetTime(name: string): never {
  throw new Error(
    `${name} cannot be changed through SchedulerRegistry. Set overrides[${JSON.stringify(name)}].cron in ScopedWorkerModule.forRoot().`,
  );
}
