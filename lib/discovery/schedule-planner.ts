import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import { ApplicationGraph } from '../graph/read-graph.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
import { OptionsStore } from '../options/options-store.js';
import {
  isFromProviders,
  unresolvableProblem,
  type FromProviders,
} from '../schedule/from-providers.js';
import type { NestModule } from '../nest/index.js';
import type { Schedule } from '../schedule/schedule.js';
import { withoutUndefined } from '../util/values.js';
import { namesText } from '../errors/errors.js';
import type { Finding } from '../errors/finding.js';
import { backgroundFindings } from './background-workers.js';
import { adopt } from './adoption.js';
import { foreignFindings } from './foreign-findings.js';
import { nestScheduling } from './nest-schedules.js';
import { missingDependencies } from './missing-dependencies.js';
import { ProvidedValues, type Provided } from './provided-values.js';
import {
  handlerName,
  makeSchedule,
  overriddenTiming,
  ownOverride,
  undecidedSchedule,
} from './schedule-factory.js';
import { askedName, writtenNames, type NamedHandler } from './schedule-names.js';
import {
  duplicate,
  invalid,
  invalidOption,
  isReadyMade,
  placementFinding,
  repeatedFindings,
  unmarkedFindings,
  unprovidedFindings,
} from './worker-findings.js';
import { WorkerExplorer, type Exploration, type FoundWorker } from './worker-explorer.js';

/** The schedules of the application, and all problems with them. */
export interface Plan {
  /** In the order in which they were found. An undecided one is never due. */
  readonly schedules: readonly Schedule[];
  readonly undecided: readonly UndecidedSchedule[];
  readonly workers: readonly FoundWorker[];
  readonly findings: readonly Finding[];
}

/** A schedule whose due moments only a provider knows. */
export interface UndecidedSchedule {
  /** Its placeholder in the plan. */
  readonly schedule: Schedule;
  readonly handler: NamedHandler;
}

/** The result for an undecided schedule. */
export interface Decision {
  readonly schedule: Schedule | undefined;
  readonly findings: readonly Finding[];
}

/** Returns the source of a consumer; undefined if factories are not called. */
type SourceOf = (token: unknown, module: NestModule) => Provided | undefined;

interface Outline {
  readonly found: Exploration;
  readonly workers: readonly FoundWorker[];
  readonly findings: Finding[];
}

/** Creates schedules from the findings of the explorer. It reads and checks, and starts nothing. */
export class SchedulePlanner {
  constructor(
    private readonly explorer: WorkerExplorer,
    private readonly options: OptionsStore,
    private readonly provided: ProvidedValues,
    private readonly graph: ApplicationGraph,
  ) {}

  /** Calls the factories for names and sources, but not yet those for due moments. */
  async plan(): Promise<Plan> {
    const { handlers, ...outline } = this.outline();
    const named: NamedHandler[] = [];
    for (const handler of handlers) named.push(await askedName(handler, this.provided));
    return this.complete(outline, named, (source, module) =>
      this.provided.singleton(source, module),
    );
  }

  /** Does the same without calling any factory. */
  planUnasked(): Plan {
    const { handlers, ...outline } = this.outline();
    return this.complete(outline, handlers, () => undefined);
  }

  /** Calls the factory that decides when a schedule is due. */
  async decide({ handler }: UndecidedSchedule): Promise<Decision> {
    const { worker, metadata, name } = handler;
    const given = metadata.when as FromProviders<unknown>;
    const when = await this.provided.fromFactory(given, worker.wrapper.host!);
    const { schedule, problems = [] } = makeSchedule(
      worker,
      metadata,
      name,
      this.layersFor(metadata),
      when,
    );
    const culprit = handlerName(worker.workerClass, metadata);
    return {
      schedule: schedule && placed(schedule, worker),
      findings: problems.map((message) => invalid(culprit, message)),
    };
  }

  private outline(): Outline & { readonly handlers: readonly NamedHandler[] } {
    const { application } = this.explorer;
    const found = this.explorer.explore();
    const { adoptNestSchedules } = this.options.resolved;
    const { workers, findings: skipped } = adopt(found, adoptNestSchedules, this.graph);
    const modules = [...application.modules.values()];
    const findings: Finding[] = [
      ...this.options.problems().map(invalidOption),
      ...unmarkedFindings(found),
      ...(application.isTestingModule ? [] : unprovidedFindings(found)),
      ...skipped,
      ...backgroundFindings(modules, this.graph),
      ...foreignFindings(modules, this.graph),
      ...missingDependencies(workers),
    ];
    for (const worker of workers) {
      const placement = placementFinding(worker);
      if (placement !== undefined) findings.push(placement);
      findings.push(...repeatedFindings(worker));
    }
    return { found, workers, findings, handlers: workers.flatMap(writtenNames) };
  }

  private complete(
    { found, workers, findings }: Outline,
    handlers: readonly NamedHandler[],
    sourceOf: SourceOf,
  ): Plan {
    const schedules: Schedule[] = [];
    const undecided: UndecidedSchedule[] = [];
    const named = new Map<string, NamedHandler>();
    const duplicates: Finding[] = [];
    const refuse = (refused: Finding): void => void findings.push(refused);
    for (const planned of handlers) {
      const { worker, metadata, nameFrom } = planned;
      const name = nameFrom === undefined ? planned.name : `${planned.name} (named at start-up)`;
      const handler = handlerName(worker.workerClass, metadata);
      if (planned.nameProblem !== undefined) refuse(invalid(handler, planned.nameProblem));
      const when = this.whenOf(planned, sourceOf);
      const attempt =
        when === undefined
          ? undecidedSchedule(worker, metadata, name, this.layersFor(metadata))
          : makeSchedule(worker, metadata, name, this.layersFor(metadata), when);
      attempt.problems?.forEach((message) => refuse(invalid(handler, message)));
      const listProblem = this.listProblem(attempt.schedule, planned);
      if (listProblem !== undefined) refuse(invalid(handler, listProblem));
      if (attempt.schedule !== undefined) {
        const schedule = placed(attempt.schedule, worker);
        schedules.push(schedule);
        if (when === undefined) undecided.push({ schedule, handler: planned });
      }
      if (nameFrom !== undefined || planned.nameProblem !== undefined) continue;
      const earlier = named.get(name);
      if (earlier === undefined) named.set(name, planned);
      else duplicates.push(duplicate(name, earlier, planned));
    }
    // Three workers of one class would each report the same problem.
    new Map(duplicates.map((each) => [each.message, each])).forEach(refuse);
    const isEachNamed = handlers.every(({ nameFrom, nameProblem }) => !(nameFrom ?? nameProblem));
    if (isEachNamed) this.unknownOverrides(named, found).forEach(refuse);
    return { schedules, undecided, workers, findings };
  }

  /**
   * Returns the module's options for a handler. `ScheduleModule.forRoot({ cronJobs: false })` means that this process runs no
   * crons, no matter which library runs them.
   */
  private layersFor({
    kind,
  }: HandlerMetadata): Pick<ScopedWorkerModuleOptions, 'defaults' | 'overrides'> {
    const { resolved } = this.options;
    const { kinds } = nestScheduling(this.explorer.application.modules.values());
    if (kind === 'message' || kinds.has(kind)) return resolved;
    return { ...resolved, defaults: { disabled: true, ...withoutUndefined(resolved.defaults) } };
  }

  /** Returns when a schedule is due, or the problem with its value; undefined if only a provider knows. */
  private whenOf(handler: NamedHandler, sourceOf: SourceOf): Provided | undefined {
    const written = this.writtenFor(handler);
    if (written !== undefined) return written;
    const { when, kind } = handler.metadata;
    const module = handler.worker.wrapper.host!;
    if (kind === 'message') return sourceOf(when, module);
    const problem = this.provided.factoryProblem(when as FromProviders<unknown>, module);
    return problem === undefined ? undefined : { problem };
  }

  /** Returns the value from `overrides` or the decorator; undefined if the decorator leaves it to providers. */
  private writtenFor({ metadata: { kind, when }, name }: NamedHandler): Provided | undefined {
    if (kind === 'message') return undefined;
    const override = ownOverride(this.options.resolved.overrides, name);
    const changed = overriddenTiming(kind, override);
    if (changed !== undefined) return { value: override?.[changed] };
    return isFromProviders(when) ? undefined : { value: when };
  }

  private listProblem(
    schedule: Schedule | undefined,
    { worker, metadata }: NamedHandler,
  ): string | undefined {
    const { forEach } = schedule?.options ?? {};
    if (forEach === undefined || metadata.kind === 'message') return undefined;
    const { application } = this.explorer;
    const problem = unresolvableProblem(forEach, application, worker.wrapper.host!);
    if (problem === undefined) return undefined;
    const culprit = handlerName(worker.workerClass, metadata);
    return `${culprit}: forEach of ${metadata.decorator} ${problem}.`;
  }

  private unknownOverrides(named: ReadonlyMap<string, unknown>, found: Exploration): Finding[] {
    const unknown = Object.keys(this.options.resolved.overrides ?? {}).filter(
      (name) => !named.has(name),
    );
    return unknown.map((name) => {
      const forgotten = found.unprovided.find((worker) => name.startsWith(`${worker.name}.`));
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

/** Disables the schedules of a ready-made worker, because it cannot be new for each tick. */
function placed(schedule: Schedule, worker: FoundWorker): Schedule {
  return isReadyMade(worker)
    ? { ...schedule, options: { ...schedule.options, disabled: true } }
    : schedule;
}
