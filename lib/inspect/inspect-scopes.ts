import type { INestApplicationContext } from '@nestjs/common';
import { isDate } from 'node:util/types';
import { exploreBackground } from '../discovery/background-explorer.js';
import { SchedulePlanner, type Plan } from '../discovery/schedule-planner.js';
import { workerRoots } from '../discovery/worker-roots.js';
import { refuseInvalid } from '../errors/errors.js';
import { finding, type Finding } from '../errors/finding.js';
import type { Lifetime, LifetimeGraph } from '../graph/lifetime-graph.js';
import { ApplicationGraph } from '../graph/read-graph.js';
import { isFactory, isSingleton, OpenedApplication, type Plans } from '../nest/index.js';
import {
  ConfigurableModuleClass,
  SCOPED_WORKER_OPTIONS,
  type ScopedWorkerModuleOptions,
} from '../options/module-options.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import type { ScheduleBook } from '../registry/schedule-book.js';
import type { ScopedWorkerRegistry } from '../registry/scoped-worker-registry.js';
import type { Schedule } from '../schedule/schedule.js';
import { optionsProblems, show } from '../util/option-checks.js';
import { FindingBook } from '../validation/finding-book.js';
import { inspectNestJobs, runTimeJobsNotes, takenNames } from './inspect-nest-jobs.js';
import { whyNoPlan } from './inspect-plans.js';
import { inspectSchedule, inspectUndecided } from './inspect-schedules.js';
import { inspectWorker } from './inspect-workers.js';
import type {
  InspectedFinding,
  InspectedSchedule,
  ScopeInspection,
} from './inspection.interface.js';

/** The services of the library that the inspector reads if the application has started. */
export abstract class InspectedServices {
  abstract readonly options: ModuleOptionsStore;
  abstract readonly findings: FindingBook;
  abstract readonly book: ScheduleBook;
  abstract readonly plans: Plans;
  abstract readonly registry: ScopedWorkerRegistry;
}

/** The inspected parts of an application: read from a started application, or else planned as start-up would plan them. */
interface Subject {
  readonly schedules: readonly InspectedSchedule[];
  readonly options: ModuleOptionsStore;
  /** Undefined if the application hasn't started. */
  readonly plans: Plans | undefined;
  /** The schedules that `schedules` describes. */
  readonly planned: readonly Schedule[];
  readonly findings: FindingBook;
  readonly notes: readonly string[];
}

/**
 * Returns the schedules, scopes and findings of an application. Builds no provider and calls no factory.
 *
 * Pass an application that has started, or one that was created by `Test.createTestingModule().compile()` or by
 * `NestFactory.createApplicationContext(AppModule, { preview: true })`. In preview mode, Nest calls no constructor, so your
 * application opens no connection. Before start-up, the inspector doesn't know values from providers, such as a cron expression:
 * a schedule that needs such a value is `undecided`. It doesn't know the options of `forRootAsync()` either; `notes` says so.
 *
 * @param options.from the time from which `nextRuns` are calculated. Set it to compare the result with a snapshot. Default: now.
 * @throws {UnsupportedNestError} if the application runs a release of Nest that start-up rejects.
 * @throws {InvalidOptionsError} if an argument is invalid.
 * @publicApi
 */
export function inspectScopes(
  app: INestApplicationContext,
  options: { readonly from?: Date } = {},
): ScopeInspection {
  refuseArguments(app, options);
  const { from = new Date() } = options;
  const application = new OpenedApplication(app);
  const {
    schedules,
    planned,
    options: store,
    plans,
    findings,
    notes,
  } = startedSubject(application, from) ?? plannedSubject(application, from);
  findings.complete();
  const { graph, workers } = findings.ticks!;
  const modules = [...application.modules.values()];
  const whole = new ApplicationGraph(application);
  const { resolution, leakDetection } = store.resolved;
  const hasLeakDetection = leakDetection !== undefined;
  const inspectedPlans = { graph, schedules: planned, resolution, hasLeakDetection, plans };
  return {
    schedules,
    nestJobs: inspectNestJobs(modules, planned, whole, from),
    workers: workers.map((worker) =>
      inspectWorker(worker, graph, whyNoPlan(worker.provider, inspectedPlans)),
    ),
    background: exploreBackground(modules).workers.map(({ name }) => name),
    findings: findings.standing.map(plain),
    allowed: findings.allowed.map(({ finding: found, reason }) => ({
      finding: plain(found),
      reason,
    })),
    notes: [...notes, ...runTimeJobsNotes(whole.current)],
    counts: { modules: modules.length, ...lifetimesOf(whole.current) },
  };
}

function refuseArguments(app: unknown, options: { readonly from?: unknown }): void {
  const problems = optionsProblems(options, ['from']);
  const { from } = options ?? {};
  if (isDate(options)) problems.push('write { from: date } instead of a Date');
  if (from !== undefined && !(isDate(from) && !Number.isNaN(from.getTime())))
    problems.push(`from must be a valid Date, not ${isDate(from) ? 'an invalid one' : show(from)}`);
  if (!OpenedApplication.canOpen(app)) {
    const isPromise = typeof (app as { then?: unknown } | null | undefined)?.then === 'function';
    problems.unshift(
      `the first argument must be a Nest application, not ${isPromise ? 'a promise: await it' : show(app)}`,
    );
  }
  refuseInvalid('inspectScopes()', problems);
}

function startedSubject(application: OpenedApplication, from: Date): Subject | undefined {
  const services = application.constructed(InspectedServices);
  if (services?.book.isFilled !== true || services.findings.ticks === undefined) return undefined;
  const { book, findings, registry, options, plans } = services;
  const schedules = book.all.map((schedule) =>
    inspectSchedule(schedule, from, registry.get(schedule.name).state === 'paused'),
  );
  return { schedules, planned: book.all, options, plans, findings, notes: [] };
}

function plannedSubject(application: OpenedApplication, from: Date): Subject {
  const { store, isImported, notes } = optionsOf(application);
  const graph = new ApplicationGraph(application);
  const plan = new SchedulePlanner(application, store, graph).planUnasked();
  const missing = isImported ? [] : notImported(plan.workers, application);
  const undecided = new Map(plan.undecided.map((each) => [each.schedule, each]));
  const decided = plan.schedules.filter((schedule) => !undecided.has(schedule));
  const taken = takenNames(decided, [...application.modules.values()]);
  const findings = new FindingBook(graph, store);
  findings.begin(
    (read) => workerRoots(plan.workers, read, store.resolved.globalEnhancers),
    [...plan.findings, ...missing, ...taken],
  );
  const schedules = plan.schedules
    .map((schedule) => {
      const unknown = undecided.get(schedule);
      return unknown ? inspectUndecided(unknown) : inspectSchedule(schedule, from);
    })
    .map((schedule) => (isImported ? schedule : { ...schedule, nextRuns: [] }));
  return { schedules, planned: plan.schedules, options: store, plans: undefined, findings, notes };
}

function optionsOf(application: OpenedApplication): {
  readonly store: ModuleOptionsStore;
  readonly isImported: boolean;
  readonly notes: string[];
} {
  const started = application.constructed(InspectedServices)?.options;
  if (started !== undefined) return { store: started, isImported: true, notes: [] };
  const imports = [...application.modules.values()].filter(
    ({ metatype }) => metatype.prototype instanceof ConfigurableModuleClass,
  );
  const isImported = imports.length > 0;
  const given = imports.map(({ providers }) => providers.get(SCOPED_WORKER_OPTIONS));
  const known = given.filter((wrapper) => wrapper === undefined || !isFactory(wrapper));
  // Nest never creates options that depend on a request-scoped provider.
  const isAsync = known.length === 0 && given.some((wrapper) => isSingleton(wrapper!));
  const store = new ModuleOptionsStore();
  // An import without forRoot() has no provider for the options.
  for (const wrapper of known) {
    const options: unknown = wrapper === undefined ? {} : wrapper.instance;
    store.declare(options as ScopedWorkerModuleOptions);
  }
  if (isAsync || !isImported) store.declare({});
  const notes: string[] = [];
  if (isAsync)
    notes.push(
      'The options come from ScopedWorkerModule.forRootAsync(), which the inspector does not call. It uses the defaults, so findings that allowFindings or adoptNestSchedules would remove are shown.',
    );
  if (!isImported)
    notes.push(
      'ScopedWorkerModule is not imported: no @ScopedWorker() or BackgroundWorker runs in this application.',
    );
  return { store, isImported, notes };
}

/** Returns a finding for each worker and background worker, because they don't run without `ScopedWorkerModule`. */
function notImported(workers: Plan['workers'], { modules }: OpenedApplication): Finding[] {
  const idle = (subject: string, token: Function, marked: string, fate: string): Finding => {
    const message = `${subject} is ${marked}, but ScopedWorkerModule is not imported, so ${fate}. Import ScopedWorkerModule.forRoot() in the root module.`;
    return finding({ kind: 'module-not-imported', subject, token, message });
  };
  return [
    ...workers.map(({ workerClass }) =>
      idle(workerClass.name, workerClass, 'marked @ScopedWorker()', 'none of its handlers runs'),
    ),
    ...exploreBackground(modules.values()).workers.map(({ name, instance }) =>
      idle(name, instance.constructor, 'a BackgroundWorker', 'it never runs'),
    ),
  ];
}

function plain({ token: _token, ...rest }: Finding): InspectedFinding {
  return rest;
}

function lifetimesOf({ providers }: LifetimeGraph): Record<Lifetime, number> {
  const counts = { singleton: 0, request: 0, bubbled: 0, durable: 0, transient: 0 };
  for (const { lifetime } of providers) counts[lifetime] += 1;
  return counts;
}
