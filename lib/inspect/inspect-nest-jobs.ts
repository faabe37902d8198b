import { handlerName, makeSchedule } from '../discovery/schedule-factory.js';
import { whyNotStatic } from '../discovery/adoption.js';
import { nestJobs, type SingletonJobs, type SkippedJobs } from '../discovery/nest-jobs.js';
import type { ApplicationGraph } from '../graph/read-graph.js';
import type { GraphProvider, LifetimeGraph } from '../graph/lifetime-graph.js';
import type { NestModule } from '../nest/index.js';
import type { Schedule } from '../schedule/schedule.js';
import { inspectSchedule } from './inspect-schedules.js';
import type { InspectedNestJob } from './inspection.js';

/** The fate of a job, and the sentence that describes it. */
type Fate = Pick<InspectedNestJob, 'fate' | 'status'>;

/**
 * Lists the jobs of `@nestjs/schedule` and how Nest treats them.
 *
 * @param schedules the schedules of this library; a job among them is adopted.
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
      .filter(({ runBy }) => runBy === undefined) // listed with the singleton
      .flatMap((jobs) =>
        jobs.handlers.map((handler) => {
          const adopted = schedules.find(
            ({ handler: name, target }) =>
              target.isBare === true && name === handlerName(jobs.ownerClass, handler),
          );
          const fate = adopted === undefined ? fateOfSkipped(jobs, graph) : fateOfAdopted(adopted);
          return inspectJob(jobs, handler, fate, from, adopted);
        }),
      ),
  ];
}

function inspectJob(
  { ownerClass, wrapper, modules }: SingletonJobs | SkippedJobs,
  metadata: SingletonJobs['handlers'][number],
  { fate, status }: Fate,
  from: Date,
  adopted?: Schedule,
): InspectedNestJob {
  const handler = handlerName(ownerClass, metadata);
  const given: unknown = metadata.options?.name;
  const name = typeof given === 'string' ? given : handler;
  const worker = { workerClass: ownerClass, wrapper, modules, options: {}, handlers: [metadata] };
  const { schedule, problems } = makeSchedule(worker, metadata, name, {}, { value: metadata.when });
  const module = modules[0]!.name;
  if (schedule === undefined)
    return {
      name,
      handler,
      module,
      kind: metadata.kind,
      due: 'invalid',
      timeZone: undefined,
      fate: 'invalid',
      status: problems.join(' '),
      nextRuns: [],
    };
  // Overrides and defaults of the module apply to the schedule that runs it.
  const { kind, due, timeZone, nextRuns, state } = inspectSchedule(adopted ?? schedule, from);
  const isOff = fate === 'runs' && state === 'disabled';
  return {
    name,
    handler,
    module,
    kind,
    due,
    timeZone,
    fate: isOff ? 'disabled' : fate,
    status: isOff ? `${metadata.decorator} has disabled: true, so Nest doesn't run it.` : status,
    nextRuns: RUNS.has(fate) ? nextRuns : [],
  };
}

const RUNS: ReadonlySet<InspectedNestJob['fate']> = new Set(['runs', 'adopted', 'unconstructed']);

function fateOfSingleton({ ownerClass, modules, isScheduleModuleImported }: SingletonJobs): Fate {
  const { name } = ownerClass;
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

function fateOfSkipped(jobs: SkippedJobs, graph: ApplicationGraph): Fate {
  if (jobs.isNeverConstructed)
    return {
      fate: 'unconstructed',
      status: `Nest runs it on an object that was never constructed, because ${jobs.ownerClass.name} is transient (SW107).`,
    };
  const what = jobs.isScheduleModuleImported
    ? 'Nest skips it'
    : 'Nothing runs it, and with ScheduleModule.forRoot() Nest would skip it';
  return { fate: 'skipped', status: `${what}, because ${whyNotStatic(jobs, graph).why} (SW106).` };
}

function fateOfAdopted({ name }: Schedule): Fate {
  return {
    fate: 'adopted',
    status: `Adopted: the schedule ${name} runs it, each tick in its own scope.`,
  };
}

/** Returns a note that names the providers that can add jobs to `SchedulerRegistry` of `@nestjs/schedule` at run time. */
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

/** Compares the name, because the application may have another copy of `@nestjs/schedule` than the one that we could import. */
function isSchedulerRegistry({ token }: GraphProvider): boolean {
  return typeof token === 'function' && token.name === 'SchedulerRegistry';
}
