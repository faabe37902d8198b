import { CronTime } from 'cron';
import { nestJobs, whyNotStatic, type NestJobs, type SkippedJobs } from '../discovery/nest-jobs.js';
import { kindInRegistry, nestJobNamed, nestScheduling } from '../discovery/nest-schedules.js';
import { makeSchedule } from '../discovery/schedule-of-decorator.js';
import { handlerName } from '../discovery/schedule-names.js';
import { finding, type Finding } from '../errors/finding.js';
import type { GraphProvider, LifetimeGraph } from '../graph/lifetime-graph.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import type { NestModule } from '../nest/index.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import { inspectSchedule } from './inspect-schedules.js';
import type { InspectedNestJob } from './inspection.interface.js';

/** The fate of a job, and the sentence that describes it. */
type Fate = Pick<InspectedNestJob, 'fate' | 'status'>;

/**
 * Lists the jobs of `@nestjs/schedule` with their fates.
 *
 * @param schedules the schedules of this library; a job that one of them runs is adopted.
 */
export function inspectNestJobs(
  modules: Iterable<NestModule>,
  schedules: readonly Schedule[],
  graph: ApplicationGraph,
  from: Date,
): InspectedNestJob[] {
  const { singletons, skipped } = nestJobs(modules);
  return [
    ...singletons.flatMap((jobs) =>
      jobs.handlers.map((handler) => inspectJob(jobs, handler, fateOfSingleton(jobs), from)),
    ),
    ...skipped
      .filter(({ runBy }) => runBy === undefined) // the others are listed with the singleton that runs them
      .flatMap((jobs) =>
        jobs.handlers.map((handler) => {
          const name = handlerName(jobs.workerClass, handler);
          const adopted = schedules.find(
            (schedule) => schedule.target.isBare === true && schedule.handler === name,
          );
          return inspectJob(jobs, handler, fateOfSkipped(jobs, adopted, graph), from, adopted);
        }),
      ),
  ];
}

function inspectJob(
  jobs: NestJobs,
  metadata: NestJobs['handlers'][number],
  { fate, status }: Fate,
  from: Date,
  adopted?: Schedule,
): InspectedNestJob {
  const { kind, decorator, when, options } = metadata;
  const handler = handlerName(jobs.workerClass, metadata);
  const name = typeof options?.name === 'string' ? options.name : handler;
  const job = { name, handler, module: jobs.modules[0]!.name };
  const worker = { ...jobs, options: {} };
  const { schedule, problems } = makeSchedule({ ...job, worker, metadata }, {}, { value: when });
  const refusal = READ_BY_NEST.has(fate) ? refusalOf(metadata, from) : undefined;
  if (schedule === undefined || refusal !== undefined) {
    const what = schedule === undefined ? problems.join(' ') : `${handler}: ${refusal}.`;
    const shown = schedule === undefined ? UNREADABLE : inspectSchedule(schedule, from);
    return {
      ...job,
      kind: schedule?.kind ?? kind,
      due: shown.due,
      timeZone: shown.timeZone,
      fate: 'invalid',
      status: refusal === undefined ? what : `${what} ${NO_START}`,
      nextRuns: [],
    };
  }
  // An adopted job follows its schedule, to which the module's overrides and defaults apply.
  const { state, nextRuns, ...shown } = inspectSchedule(adopted ?? schedule, from);
  const isOff = fate === 'runs' && state === 'disabled';
  return {
    ...job,
    kind: shown.kind,
    due: shown.due,
    timeZone: shown.timeZone,
    fate: isOff ? 'disabled' : fate,
    status: isOff ? `${decorator} has disabled: true, so Nest doesn't run it.` : status,
    nextRuns: RUNS.has(fate) ? nextRuns : [],
  };
}

const UNREADABLE = { due: 'invalid', timeZone: undefined } as const;

const NO_START = "Nest throws at start-up, so the application doesn't start.";

/**
 * Returns why `@nestjs/schedule` throws for a job at start-up; undefined if it doesn't. That package reads the timing of every
 * cron job, even a disabled one, and then starts the enabled ones. It passes every period and delay to Node unchecked.
 */
function refusalOf(
  { decorator, when, options }: NestJobs['handlers'][number],
  from: Date,
): string | undefined {
  if (decorator !== '@Cron') return undefined;
  const { timeZone = null, utcOffset = null, disabled } = options as HandlerOptions;
  const isPast = when instanceof Date && when <= from;
  try {
    const time = new CronTime(when as string, timeZone, utcOffset as null);
    if (disabled === true) return undefined;
    if (isPast)
      return `the date of @Cron, ${when.toISOString()}, has passed; pass a later one, or set disabled: true`;
    time.sendAt();
    return undefined;
  } catch {
    return 'no date matches the cron expression of @Cron; correct it, or set disabled: true';
  }
}

const READ_BY_NEST: ReadonlySet<InspectedNestJob['fate']> = new Set(['runs', 'unconstructed']);

const RUNS: ReadonlySet<InspectedNestJob['fate']> = new Set(['runs', 'adopted', 'unconstructed']);

function fateOfSingleton({ workerClass, modules, isScheduleModuleImported }: NestJobs): Fate {
  const { name } = workerClass;
  if (!isScheduleModuleImported)
    return {
      fate: 'not-run',
      status: `Nothing runs it, because ScheduleModule.forRoot() is not imported. ${name} is a singleton and needs no scope.`,
    };
  const each =
    modules.length === 1
      ? ''
      : `, once in each of ${modules.map((module) => module.name).join(', ')}`;
  return {
    fate: 'runs',
    status: `Nest runs it${each}. ${name} is a singleton and needs no scope.`,
  };
}

function fateOfSkipped(
  jobs: SkippedJobs,
  adopted: Schedule | undefined,
  graph: ApplicationGraph,
): Fate {
  if (adopted !== undefined) {
    const what = isDisabled(adopted) ? 'is disabled' : 'runs it, each tick in its own scope';
    return { fate: 'adopted', status: `Adopted: the schedule ${adopted.name} ${what}.` };
  }
  if (jobs.isNeverConstructed)
    return {
      fate: 'unconstructed',
      status: `Nest runs it on an object that was never constructed, because ${jobs.workerClass.name} is transient (SW107).`,
    };
  const what = jobs.isScheduleModuleImported
    ? 'Nest skips it'
    : 'Nothing runs it, and with ScheduleModule.forRoot() Nest would skip it';
  return {
    fate: 'skipped',
    status: `${what}, because ${whyNotStatic(jobs.workerClass, jobs.wrapper, graph).why} (SW106).`,
  };
}

/** Returns a finding for each schedule that has the same name as a job that Nest runs. Start-up rejects such a schedule. */
export function takenNames(
  schedules: readonly Schedule[],
  modules: readonly NestModule[],
): Finding[] {
  const { isImported, kinds } = nestScheduling(modules);
  return schedules.flatMap((schedule) => {
    const { handler: subject, name } = schedule;
    const kind = kindInRegistry(schedule, modules);
    if (!isImported || kind === undefined || !kinds.has(kind)) return [];
    const job = nestJobNamed(modules, kind, name);
    if (job === undefined) return [];
    const message = `${subject}: its schedule "${name}" has the same name as ${job}. Rename one of them with { name: '...' }.`;
    return finding({ kind: 'duplicate-schedule', subject, message });
  });
}

/** Returns a note that names the providers that can add jobs to `SchedulerRegistry` from `@nestjs/schedule` at run time. */
export function runTimeJobsNotes({ providers }: LifetimeGraph): string[] {
  const registries = new Set(providers.filter(isSchedulerRegistry).map(({ id }) => id));
  const adders = providers.filter(
    ({ module, dependencies }) =>
      module !== 'ScheduleModule' && dependencies.some(({ to }) => registries.has(to)),
  );
  const names = [...new Set(adders.map(({ name }) => name))];
  if (names.length === 0) return [];
  const [inject, they] = names.length === 1 ? ['injects', 'it adds'] : ['inject', 'they add'];
  return [
    `${names.join(', ')} ${inject} SchedulerRegistry: jobs that ${they} at run time are not shown.`,
  ];
}

/** Compares names, because the application's copy of `@nestjs/schedule` may differ from the one that this library can import. */
function isSchedulerRegistry({ token }: GraphProvider): boolean {
  return typeof token === 'function' && token.name === 'SchedulerRegistry';
}
