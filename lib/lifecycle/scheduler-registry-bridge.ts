import { Logger } from '@nestjs/common';
import { CronTime } from 'cron';
import { show } from '../util/option-checks.js';
import { kindInRegistry } from '../discovery/nest-schedules.js';
import { logError } from '../errors/error-log.js';
import { DuplicateScheduleError } from '../errors/errors.js';
import { RunningTicks } from '../tick/running-ticks.js';
import type { Tick } from '../tick/tick.interface.js';
import type { TickReport } from '../tick/tick-report.js';
import { NestInside } from '../nest/index.js';
import type { ScheduleChange } from '../events/event-map.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { ScheduleBook } from '../registry/schedule-book.js';
import { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { CronZone } from '../schedule/cron-expression.js';
import type { Schedule } from '../schedule/schedule.js';
import {
  addTo,
  deleteFrom,
  findSchedulerRegistry,
  get,
  isThere,
  type NestKind,
  type NestSchedulerRegistry,
  type Shown,
  NameHolders,
} from './nest-scheduler-registry.js';
import { shownJob, type JobCallbacks, shownTimer } from './shown-entries.js';
import { JobStopWaits } from './job-stop-waits.js';

/**
 * Shows our schedules in the `SchedulerRegistry` of an application that imports `ScheduleModule.forRoot()`, and keeps the entries
 * up to date. A cron appears as a `CronJob` without a timer; an interval or a timeout appears as a timer that never fires. Stopping
 * a job pauses its schedule; deleting a job or clearing a timer removes its schedule.
 */
export class SchedulerRegistryBridge {
  readonly #logger = new Logger('ScopedWorker');
  /** The entries by schedule name. An entry that isn't in this map is no longer linked to its schedule. */
  readonly #shown = new Map<string, Shown>();
  /** Cleared timers. They stay in the registry, as do the cleared timers of Nest's own jobs. */
  readonly #cleared = new WeakSet<object>();
  /** The dates of the slots for which callbacks were called. */
  readonly #called = new WeakSet<Date>();
  readonly #jobStopWaits: JobStopWaits;
  #isShowing = false;
  #isClosing = false;

  constructor(
    private readonly nest: NestInside,
    private readonly book: ScheduleBook,
    private readonly registry: ScopedWorkerRegistry,
    private readonly running: RunningTicks,
    private readonly events: ScopedWorkerEvents,
  ) {
    this.#jobStopWaits = new JobStopWaits(running);
    // On Nest 11, `app.close()` doesn't wait for a start-up that is still running, and may precede `show()`.
    events.on('shutdown:started', () => (this.#isClosing = true));
  }

  /**
   * Shows all schedules. Called before any `onApplicationBootstrap` of the application, and before Nest adds its decorated jobs.
   * A second call, when `init()` runs again, does nothing.
   *
   * @throws {DuplicateScheduleError} when a job of `@nestjs/schedule` has, or will get, the same name as one of our schedules.
   */
  show(): void {
    const schedules = this.book.all;
    const target = findSchedulerRegistry(this.nest);
    if (target === undefined || this.#isShowing) return;
    const holders = new NameHolders(this.nest, target);
    const taken = schedules.flatMap((schedule) => {
      const kind = this.kindOf(schedule);
      const { handler, name } = schedule;
      const holder = kind && holders.holderOf(kind, name);
      if (holder === undefined) return [];
      const remedy =
        holder.adder === undefined
          ? ''
          : `, or remove the ${holder.adder} call if it adds the same job`;
      return `${handler}: its schedule "${name}" has the same name as ${holder.text}. Rename one of them with { name: '...' }${remedy}.`;
    });
    if (taken.length > 0) throw new DuplicateScheduleError(taken);
    this.#isShowing = true;
    for (const schedule of schedules) this.add(schedule, target, holders);
    this.events.on('schedule:changed', (change) => this.changed(change, target, holders));
    this.events.on('tick:started', (tick) => this.started(tick));
    this.events.on('tick:skipped', (report) => this.skipped(report));
  }

  private kindOf(schedule: Schedule): NestKind | undefined {
    return kindInRegistry(schedule, this.nest.modules.values());
  }

  private changed(
    { schedule: name, change }: ScheduleChange,
    target: NestSchedulerRegistry,
    holders: NameHolders,
  ): void {
    if (this.#isClosing || change === 'paused' || change === 'resumed') return;
    const schedule = this.book.find(name);
    const kind = schedule && this.kindOf(schedule);
    const shown = this.#shown.get(name);
    if (shown !== undefined && shown.kind === kind) {
      if (shown.kind === 'cron') shown.entry.cronTime = timeOf(schedule!);
      return;
    }
    if (shown !== undefined) this.takeAway(name, shown, target);
    if (schedule !== undefined) this.add(schedule, target, holders);
  }

  private add(schedule: Schedule, target: NestSchedulerRegistry, holders: NameHolders): void {
    const { name } = schedule;
    const kind = this.kindOf(schedule);
    if (kind === undefined) return;
    if (kind !== 'cron' && target.doesExist(kind, name)) {
      const timer = get(target, name, kind) as object;
      if (this.#cleared.has(timer)) deleteFrom(target, name, kind);
    }
    const holder = holders.holderOf(kind, name);
    if (holder !== undefined) {
      this.#logger.warn(
        `${name}: this is also the name of ${holder.text}, so the schedule doesn't appear in SchedulerRegistry. Rename one of them.`,
      );
      return;
    }
    const shown: Shown =
      kind === 'cron' ? this.jobOf(schedule, target) : { kind, entry: this.timerOf(name) };
    this.#shown.set(name, shown);
    addTo(target, name, shown);
  }

  private takeAway(name: string, shown: Shown, target: NestSchedulerRegistry): void {
    this.#shown.delete(name); // first, because deleting the entry stops or clears it, and that must not change the schedule
    if (isThere(target, name, shown)) deleteFrom(target, name, shown.kind);
  }

  private started({ schedule, scheduledAt, firedAt, trigger }: Tick): void {
    const shown = this.#shown.get(schedule);
    // The items of `forEach` are ticks of one slot, and share its date.
    if (shown?.kind !== 'cron' || this.#called.has(scheduledAt)) return;
    const isOurs = this.running.of(schedule).some(({ slot }) => slot.scheduledAt === scheduledAt);
    if (!isOurs) return; // a standalone tick with the same name as the schedule
    this.#called.add(scheduledAt);
    const { entry: job, callbacks } = shown;
    if (trigger !== 'manual') job.lastExecution = firedAt;
    for (const callback of callbacks)
      void this.call(schedule, () => callback.call(job.context, job.onComplete));
  }

  /** Updates `lastDate()` when a slot is skipped because the previous run hasn't finished. */
  private skipped({ schedule, reason, trigger, firedAt }: TickReport): void {
    const shown = this.#shown.get(schedule);
    if (shown?.kind === 'cron' && trigger === 'cron' && reason === 'overlap')
      shown.entry.lastExecution = firedAt;
  }

  private async call(schedule: string, callback: () => unknown): Promise<void> {
    try {
      await callback();
    } catch (error) {
      logError(this.#logger, `A callback of the CronJob of ${schedule} failed`, error);
    }
  }

  private timerOf(name: string): NodeJS.Timeout {
    const timer = shownTimer(() => {
      this.#cleared.add(timer);
      if (this.#isClosing || this.#shown.get(name)?.entry !== timer) return;
      this.#shown.delete(name);
      this.registry.remove(name);
    });
    return timer;
  }

  private jobOf(schedule: Schedule, target: NestSchedulerRegistry): Shown {
    const { name } = schedule;
    const isHere = (): boolean => this.#shown.get(name)?.entry === job;
    const ask = <T>(work: () => T): T => {
      if (!isHere()) throw goneError(name);
      return work();
    };
    // On shutdown, `ScheduleModule` stops every job that it knows. This must not pause our schedules.
    const ifHere = <T>(work: () => T): T | undefined =>
      this.#isClosing || !isHere() ? undefined : work();
    const callbacks: JobCallbacks = [];
    const job = shownJob(
      schedule,
      timeOf(schedule),
      {
        isActive: () => isHere() && this.registry.get(name).state === 'active',
        isRunning: () => isHere() && this.running.of(name).length > 0,
        run: async () => {
          await ask(() => this.registry.run(name));
        },
        start: () => ifHere(() => this.registry.start(name)),
        stop: () => ifHere(() => this.stop(name, target)),
        setTime: (time) =>
          ask(() => {
            this.registry.reschedule(name, { cron: expressionOf(time, this.book.get(name)) });
          }),
      },
      callbacks,
    );
    return { kind: 'cron', entry: job, callbacks };
  }

  /**
   * Pauses the schedule of a stopped job, and waits for its running ticks to end. If the job is gone a microtask later, removes the
   * schedule, because `deleteCronJob()` stops a job before deleting it.
   */
  private async stop(name: string, target: NestSchedulerRegistry): Promise<void> {
    const shown = this.#shown.get(name)!;
    this.registry.pause(name);
    const ended = this.#jobStopWaits.untilEnded(name);
    await Promise.resolve();
    if (!this.#isClosing && this.#shown.get(name) === shown && !isThere(target, name, shown)) {
      this.#shown.delete(name);
      this.registry.remove(name);
    }
    await ended;
  }
}

function timeOf({ expression, options: { timeZone, utcOffset } }: Schedule): CronTime {
  return utcOffset === undefined
    ? new CronTime(expression!, timeZone)
    : new CronTime(expression!, null, utcOffset);
}

/**
 * Returns the expression of a `CronTime`, which may come from another copy of `cron`. The zone must be that of the schedule: a
 * `CronTime` without a zone uses that of the process.
 *
 * @throws Error if the value isn't a `CronTime`, or if it has a date or another zone.
 */
function expressionOf(time: unknown, schedule: Schedule): string {
  const { source, ...zone } = (time ?? {}) as Partial<CronTime>;
  const { timeZone, utcOffset } = withZone(zone);
  const refuse = (why: string): never => {
    throw new Error(`${schedule.name}: setTime() ${why}.`);
  };
  if (typeof source === 'object')
    return refuse('takes a cron expression, not a date; for a single run, use @ScopedTimeout');
  if (typeof time !== 'object' || typeof source !== 'string')
    return refuse(`takes a CronTime, such as new CronTime('0 */5 * * * *'), not ${show(time)}`);
  const own = timeOf(schedule);
  if (timeZone === own.timeZone && utcOffset === own.utcOffset) return source;
  return refuse(
    `keeps the zone of the schedule, which is ${zoneText(own)}, not ${zoneText({ timeZone, utcOffset })}: use the same zone for the CronTime`,
  );
}

/** Adds the zone of the process, which a `CronTime` from cron 3 (`@nestjs/schedule` 5) leaves out; cron 4 includes it. */
function withZone({ timeZone, utcOffset }: Partial<CronZone>): Partial<CronZone> {
  if (timeZone !== undefined || utcOffset !== undefined) return { timeZone, utcOffset };
  return { timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone };
}

function zoneText({ timeZone, utcOffset }: Partial<CronZone>): string {
  return timeZone ?? `an offset of ${utcOffset} minutes`;
}

function goneError(name: string): Error {
  return new Error(
    `${name} is no longer in SchedulerRegistry: it was removed or disabled, or it is no longer a cron. Use ScopedWorkerRegistry.`,
  );
}
