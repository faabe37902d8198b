import type { HandlerMetadata } from '../decorators/handler-metadata.js';
import { ApplicationGraph } from '../graph/read-graph.js';
import { ModuleOptionsStore } from '../options/module-options-store.js';
import {
  isFromProviders,
  unresolvableProblem,
  type FromProviders,
} from '../schedule/from-providers.js';
import { Application, isReadyMade, missingInjectionsOf, type NestModule } from '../nest/index.js';
import type { Schedule } from '../schedule/schedule.js';
import { withoutUndefined } from '../util/values.js';
import { namesText } from '../errors/errors.js';
import { finding, type Finding } from '../errors/finding.js';
import { backgroundFindings } from './background-findings.js';
import { adopt } from './adoption.js';
import { foreignFindings } from './foreign-findings.js';
import { nestScheduling } from './nest-schedules.js';
import { missingDependencies } from './missing-dependencies.js';
import { OnceSchedules } from './once-schedules.js';
import { ProvidedValues, type Provided } from './decorator-values.js';
import {
  makeSchedule,
  overriddenTiming,
  ownOverride,
  type ModuleLayers,
  type ScheduleOrProblems,
} from './schedule-of-decorator.js';
import { askedName, unaskedName, writtenNames, type NamedHandler } from './schedule-names.js';
import {
  duplicate,
  invalid,
  placementFindings,
  repeatedFindings,
  unmarkedFindings,
  unprovidedFindings,
} from './worker-findings.js';
import { explore, type Exploration, type FoundWorker } from './worker-explorer.js';

/** The schedules of the application, and all problems with them. */
export interface Plan {
  /** All schedules, in the order in which they were found. An undecided schedule is never due. */
  readonly schedules: readonly Schedule[];
  readonly undecided: readonly UndecidedSchedule[];
  readonly workers: readonly FoundWorker[];
  readonly findings: readonly Finding[];
}

/** A schedule whose timing a factory supplies. */
export interface UndecidedSchedule {
  /** The placeholder for this schedule in the plan. */
  readonly schedule: Schedule;
  readonly handler: NamedHandler;
}

/** The schedule or the findings that result from calling the factory of an undecided schedule. */
export interface Decision {
  readonly schedule: Schedule | undefined;
  readonly findings: readonly Finding[];
}

/** Returns the source of a consumer, or the problem with it; undefined if the source might not exist yet. */
type SourceOf = (token: unknown, module: NestModule) => Provided | undefined;

interface Outline {
  readonly found: Exploration;
  readonly workers: readonly FoundWorker[];
  readonly handlers: readonly NamedHandler[];
  readonly findings: Finding[];
}

/** Creates schedules from what `explore()` finds. Reads and checks them, but doesn't start any. */
export class SchedulePlanner {
  private readonly provided: ProvidedValues;
  private readonly onceSchedules: OnceSchedules;

  constructor(
    private readonly application: Application,
    private readonly options: ModuleOptionsStore,
    private readonly graph: ApplicationGraph,
  ) {
    this.onceSchedules = new OnceSchedules(graph, application);
    this.provided = new ProvidedValues(application);
  }

  /** Creates the schedules. Calls the factories for names and looks up the sources, but calls no factory for due times yet. */
  async plan(): Promise<Plan> {
    const outline = this.outline();
    const handlers: NamedHandler[] = [];
    for (const handler of outline.handlers) handlers.push(await askedName(handler, this.provided));
    return this.complete({ ...outline, handlers }, (source, module) =>
      this.provided.singleton(source, module),
    );
  }

  /** Does the same as `plan()`, but calls no factory and leaves each consumer undecided. */
  planUnasked(): Plan {
    const outline = this.outline();
    const handlers = outline.handlers.map((handler) => unaskedName(handler, this.provided));
    return this.complete({ ...outline, handlers }, (source, module) => {
      const { problem } = this.provided.singleton(source, module);
      return problem === undefined ? undefined : { problem };
    });
  }

  /** Calls the factory that supplies the timing of a schedule. */
  async decide({ handler: named }: UndecidedSchedule): Promise<Decision> {
    const { handler, worker, metadata } = named;
    const given = metadata.when as FromProviders<unknown>;
    const when = await this.provided.fromFactory(given, worker.wrapper.host!);
    const { schedule, problems } = this.scheduleOf(named, when);
    return { schedule, findings: problems.map((message) => invalid(handler, message)) };
  }

  private outline(): Outline {
    const modules = [...this.application.modules.values()];
    const found = explore(modules);
    const { adoptNestSchedules } = this.options.resolved;
    const { workers, findings: skipped } = adopt(found, adoptNestSchedules, this.graph);
    const problems = this.options.problems();
    const subject = 'ScopedWorkerModule';
    const findings: Finding[] = [
      ...problems.map((message) => finding({ kind: 'invalid-options', subject, message })),
      ...unmarkedFindings(found),
      ...(this.application.isTestingModule ? [] : unprovidedFindings(found)),
      ...skipped,
      ...backgroundFindings(modules, this.graph),
      ...foreignFindings(modules, this.graph),
      ...missingDependencies(workers, modules),
      ...workers.flatMap((worker) => [...placementFindings(worker), ...repeatedFindings(worker)]),
    ];
    return { found, workers, findings, handlers: workers.flatMap(writtenNames) };
  }

  private complete({ found, workers, handlers, findings }: Outline, sourceOf: SourceOf): Plan {
    const schedules: Schedule[] = [];
    const undecided: UndecidedSchedule[] = [];
    const named = new Map<string, NamedHandler>();
    const duplicates = new Map<string, Finding>();
    for (const planned of handlers) {
      const { handler, nameFrom, nameProblem } = planned;
      const name = nameFrom === undefined ? planned.name : `${planned.name} (named at start-up)`;
      const when = this.whenOf(planned, sourceOf);
      const { schedule, problems } = this.scheduleOf({ ...planned, name }, when);
      const ofOptions = [this.listProblem(schedule, planned), this.onceProblem(schedule, planned)];
      for (const problem of [nameProblem, ...problems, ...ofOptions])
        if (problem !== undefined) findings.push(invalid(handler, problem));
      if (schedule !== undefined) schedules.push(schedule);
      if (schedule !== undefined && when === undefined)
        undecided.push({ schedule, handler: planned });
      if (nameFrom !== undefined || nameProblem !== undefined) continue;
      const earlier = named.get(name);
      if (earlier === undefined) named.set(name, planned);
      else {
        // Without the map, a third worker of one class would report the second worker's problem again.
        const problem = duplicate(name, earlier, planned);
        duplicates.set(problem.message, problem);
      }
    }
    findings.push(...duplicates.values());
    const isEachNamed = handlers.every(({ nameFrom, nameProblem }) => !(nameFrom ?? nameProblem));
    if (isEachNamed) findings.push(...this.unknownOverrides(named, found));
    return { schedules, undecided, workers, findings };
  }

  /** Creates a schedule. It is disabled if its worker is ready-made, because ticks can't get new instances of such a worker. */
  private scheduleOf(handler: NamedHandler, when: Provided | undefined): ScheduleOrProblems {
    const made = makeSchedule(handler, this.layersFor(handler.metadata), when);
    if (made.schedule === undefined) return made;
    const { wrapper } = handler.worker;
    const resolved = this.onceSchedules.resolved(made.schedule.options, wrapper);
    const options = isReadyMade(wrapper) ? { ...resolved, disabled: true } : resolved;
    return { ...made, schedule: { ...made.schedule, options } };
  }

  /**
   * Returns the module's options for a handler. `ScheduleModule.forRoot({ cronJobs: false })` means that this process runs no
   * cron jobs, whichever library they belong to.
   */
  private layersFor({ kind }: HandlerMetadata): ModuleLayers {
    const { resolved } = this.options;
    const { kinds } = nestScheduling(this.application.modules.values());
    if (kind === 'message' || kinds.has(kind)) return resolved;
    return { ...resolved, defaults: { disabled: true, ...withoutUndefined(resolved.defaults) } };
  }

  /** Returns the timing of a schedule, or the problem with that timing; undefined if a factory supplies the timing later. */
  private whenOf(
    { metadata, worker, name }: NamedHandler,
    sourceOf: SourceOf,
  ): Provided | undefined {
    const { kind, when } = metadata;
    const module = worker.wrapper.host!;
    if (kind === 'message') return sourceOf(when, module);
    const override = ownOverride(this.options.resolved.overrides, name);
    const changed = overriddenTiming(kind, override);
    if (changed !== undefined) return { value: override?.[changed] };
    if (!isFromProviders(when)) return { value: when };
    const problem = this.provided.factoryProblem(when, module);
    return problem === undefined ? undefined : { problem };
  }

  private listProblem(
    schedule: Schedule | undefined,
    { handler, worker, metadata: { kind, decorator } }: NamedHandler,
  ): string | undefined {
    const { forEach } = schedule?.options ?? {};
    if (forEach === undefined || kind === 'message') return undefined;
    const problem = unresolvableProblem(forEach, this.application, worker.wrapper.host!);
    return problem && `${handler}: forEach of ${decorator} ${problem}.`;
  }

  private onceProblem(
    schedule: Schedule | undefined,
    { handler, worker: { wrapper }, metadata: { decorator } }: NamedHandler,
  ): string | undefined {
    if (schedule === undefined || missingInjectionsOf(wrapper).length > 0) return undefined;
    const problem = this.onceSchedules.problem(schedule.options, wrapper);
    return problem && `${handler}: once of ${decorator} ${problem}.`;
  }

  private unknownOverrides(named: ReadonlyMap<string, unknown>, found: Exploration): Finding[] {
    const unknown = Object.keys(this.options.resolved.overrides ?? {}).filter(
      (name) => !named.has(name),
    );
    return unknown.map((name) => {
      const [worker] = name.split('.', 1);
      const isProvided = [...named.keys()].some((known) => known.startsWith(`${worker}.`));
      const forgotten = isProvided
        ? undefined
        : found.unprovided.find((each) => each.name === worker);
      const help =
        forgotten === undefined
          ? namesText([...named.keys()])
          : `${forgotten.name} is marked @ScopedWorker(), but no module provides it. Add it to the providers of a module.`;
      return invalid(
        name,
        `overrides[${JSON.stringify(name)}]: no schedule has this name. ${help}`,
      );
    });
  }
}
