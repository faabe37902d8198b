import { Logger } from '@nestjs/common';
import { exploreBackground } from '../discovery/background-explorer.js';
import { nestScheduling, SWITCHES } from '../discovery/nest-schedules.js';
import { nestJobs } from '../discovery/nest-jobs.js';
import { handlerName } from '../discovery/schedule-names.js';
import { NestInside } from '../nest/index.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import type { ScheduleInfo } from '../registry/schedule-info.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';

/** Logs the schedules at start-up, so that a job that is due in five minutes doesn't seem to be missing. */
export class Announcement {
  readonly #logger = new Logger('ScopedWorker');

  constructor(
    private readonly registry: ScopedWorkerRegistry,
    private readonly nest: NestInside,
    private readonly options: ModuleOptionsStore,
  ) {}

  /** Logs the schedules and background workers; returns true if any of them will run without a manual call. */
  whatRuns(): boolean {
    const schedules = this.registry.list();
    const { workers } = exploreBackground(this.nest.modules.values());
    const background = workers.map(({ name }) => name);
    if (schedules.length > 0) {
      const lines = schedules.map((info) => {
        const when = isNeverDue(info) ? 'never due' : info.state;
        return `${info.name} (${info.nextRun?.toISOString() ?? when})`;
      });
      this.#logger.log(`${schedules.length} scheduled, with the next run: ${lines.join(', ')}`);
    }
    this.whatIsSwitchedOff(schedules);
    if (background.length > 0) {
      const count =
        background.length === 1 ? '1 background worker' : `${background.length} background workers`;
      this.#logger.log(`${count}: ${background.join(', ')}`);
    }
    if (schedules.length + background.length === 0)
      this.#logger.log(
        'ScopedWorkerModule has nothing to run: no module provides a background worker, or a worker with a schedule. Mark a method of a worker with @ScopedCron(), for example.',
      );
    if (this.options.resolved.adoptNestSchedules) this.notAdopted();
    for (const { name, kind, expression } of schedules.filter(isNeverDue)) {
      const why =
        kind === 'cron'
          ? `the cron expression ${JSON.stringify(expression)} is`
          : 'its date has passed, so it is';
      this.#logger.warn(`${name}: ${why} never due.`);
    }
    const { drainTimeoutMs, shutdownTimeoutMs } = this.options.resolved;
    if (drainTimeoutMs > 0 && drainTimeoutMs >= shutdownTimeoutMs)
      this.#logger.warn(
        `drainTimeoutMs (${drainTimeoutMs}) is not below shutdownTimeoutMs (${shutdownTimeoutMs}), so the shutdown stops waiting for ticks without aborting them first. Set shutdownTimeoutMs higher.`,
      );
    return background.length > 0 || schedules.some(({ state }) => state !== 'disabled');
  }

  /**
   * Logs the enabled jobs of singletons: these jobs need no scope, but would otherwise look forgotten. Findings report the jobs
   * that can't be adopted.
   */
  private notAdopted(): void {
    const { singletons } = nestJobs(this.nest.modules.values());
    const names = singletons.flatMap(({ workerClass, handlers }) =>
      handlers
        .filter(({ options }) => options?.disabled !== true)
        .map((handler) => handlerName(workerClass, handler)),
    );
    if (names.length === 0) return;
    if (singletons[0]!.isScheduleModuleImported)
      return this.#logger.log(notAdoptedText(names, 'Nest runs'));
    const why = ', because ScheduleModule.forRoot() is not imported';
    this.#logger.warn(notAdoptedText(names, 'Nothing runs', why));
  }

  private whatIsSwitchedOff(schedules: readonly ScheduleInfo[]): void {
    const { kinds } = nestScheduling(this.nest.modules.values());
    for (const [kind, option] of Object.entries(SWITCHES)) {
      const off = schedules.filter((each) => each.kind === kind && each.state === 'disabled');
      if (kinds.has(kind as keyof typeof SWITCHES) || off.length === 0) continue;
      const names = off.map(({ name }) => name).join(', ');
      this.#logger.log(
        `Disabled by ScheduleModule.forRoot({ ${option}: false }): ${names}. To run one of them anyway, set disabled: false on it.`,
      );
    }
  }
}

function isNeverDue({ kind, state, nextRun, everyMs }: ScheduleInfo): boolean {
  // The timeout of an adopted job may have a date instead of a delay.
  const isDated = kind === 'cron' || (kind === 'timeout' && everyMs === undefined);
  return state === 'active' && isDated && nextRun === undefined;
}

function notAdoptedText(names: readonly string[], who: string, why = ''): string {
  const [count, they, them] =
    names.length === 1
      ? ['1 job of @nestjs/schedule was', 'its class is a singleton and needs', 'it']
      : [
          `${names.length} jobs of @nestjs/schedule were`,
          'their classes are singletons and need',
          'them',
        ];
  return `${count} not adopted, because ${they} no scope. ${who} ${them}${why}: ${names.join(', ')}`;
}
