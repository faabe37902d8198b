import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import { ApplicationGraph } from '../graph/index.js';
import { OptionsStore } from '../options/options-store.js';
import { isFromProviders, type FromProviders } from '../schedule/from-providers.js';
import type { ResolvedHandlerOptions } from '../schedule/handler-options.js';
import type { Schedule } from '../schedule/schedule.js';
import { withoutUndefined } from '../schedule/without-undefined.js';
import type { Finding } from '../findings/finding.js';
import { backgroundFindings } from './background-findings.js';
import { adopt } from './adoption.js';
import { foreignFindings } from './foreign-findings.js';
import { nestScheduling } from './nest-schedules.js';
import { missingDependencies } from './missing-dependencies.js';
import { ProvidedValues, type Provided } from './provided-values.js';
import { handlerName, makeSchedule, ownOverride, readOptions } from './schedule-factory.js';
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

/** The schedules of the application, and everything that is wrong with them. */
export interface Plan {
  readonly schedules: readonly Schedule[];
  /** Those of which only a provider knows when they are due, when none was asked. */
  readonly undecided: readonly UndecidedSchedule[];
  readonly workers: readonly FoundWorker[];
  readonly findings: readonly Finding[];
}

/** A schedule that a provider decides on. */
export interface UndecidedSchedule {
  readonly name: string;
  /** Written `Class.method`. */
  readonly handler: string;
  readonly metadata: HandlerMetadata;
  readonly options: ResolvedHandlerOptions;
}

interface PlannedHandler extends NamedHandler {
  /** Undefined when only a provider knows, and none was asked. */
  readonly when: Provided | undefined;
}

interface Outline {
  readonly found: Exploration;
  readonly workers: readonly FoundWorker[];
  readonly findings: Finding[];
}

/** Turns what the explorer found into schedules; reads, checks, starts nothing. */
export class SchedulePlanner {
  constructor(
    private readonly explorer: WorkerExplorer,
    private readonly options: OptionsStore,
    private readonly provided: ProvidedValues,
    private readonly graph: ApplicationGraph,
  ) {}

  async plan(): Promise<Plan> {
    const { handlers, ...outline } = this.outline();
    const planned: PlannedHandler[] = [];
    for (const written of handlers) {
      const handler = await askedName(written, this.provided);
      planned.push({ ...handler, when: await this.whenOf(handler) });
    }
    return this.complete(outline, planned);
  }

  /** The same without asking providers for anything: what they would give is not decided. */
  planUnasked(): Plan {
    const { handlers, ...outline } = this.outline();
    const planned = handlers.map((handler) => ({
      ...handler,
      when: this.writtenFor(handler),
    }));
    return this.complete(outline, planned);
  }

  private outline(): Outline & { readonly handlers: readonly NamedHandler[] } {
    const found = this.explorer.explore();
    const { adoptNestSchedules } = this.options.resolved;
    const { workers, findings: skipped } = adopt(found, adoptNestSchedules, this.graph);
    const modules = [...this.explorer.application.modules.values()];
    const findings: Finding[] = [
      ...this.options.problems().map(invalidOption),
      ...unmarkedFindings(found),
      ...unprovidedFindings(found),
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
    handlers: readonly PlannedHandler[],
  ): Plan {
    const schedules: Schedule[] = [];
    const undecided: UndecidedSchedule[] = [];
    const named = new Map<string, NamedHandler>();
    const duplicates: Finding[] = [];
    const refuse = (refused: Finding): void => void findings.push(refused);
    const { kinds } = nestScheduling(this.explorer.application.modules.values());
    const { defaults, overrides } = this.options.resolved;
    // `ScheduleModule.forRoot({ cronJobs: false })` is how a process is told to run no crons, whoever runs them.
    const off = { defaults: { disabled: true, ...withoutUndefined(defaults) }, overrides };
    const moduleOptions = ({ kind }: HandlerMetadata) =>
      kind === 'message' || kinds.has(kind) ? this.options.resolved : off;
    for (const planned of handlers) {
      const { worker, metadata, when, nameFrom } = planned;
      const name = nameFrom === undefined ? planned.name : `${planned.name} (named at start-up)`;
      const handler = handlerName(worker.workerClass, metadata);
      if (planned.nameProblem !== undefined) refuse(invalid(handler, planned.nameProblem));
      if (when === undefined) {
        const { options, problems } = readOptions(worker, metadata, name, moduleOptions(metadata));
        problems.forEach((message) => refuse(invalid(handler, message)));
        const disabled = options.disabled || isReadyMade(worker);
        if (problems.length === 0)
          undecided.push({
            name,
            handler,
            metadata,
            options: { ...options, disabled },
          });
      } else {
        const attempt = makeSchedule(worker, metadata, name, moduleOptions(metadata), when);
        attempt.problems?.forEach((message) => refuse(invalid(handler, message)));
        if (attempt.schedule !== undefined)
          schedules.push(isReadyMade(worker) ? switchedOff(attempt.schedule) : attempt.schedule);
      }
      if (nameFrom !== undefined || planned.nameProblem !== undefined) continue;
      const earlier = named.get(name);
      if (earlier === undefined) named.set(name, planned);
      else duplicates.push(duplicate(name, earlier, planned));
    }
    // Of three workers of one class each would say the same.
    new Map(duplicates.map((each) => [each.message, each])).forEach(refuse);
    const isEachNamed = handlers.every(({ nameFrom, nameProblem }) => !(nameFrom ?? nameProblem));
    if (isEachNamed) this.unknownOverrides(named, found).forEach(refuse);
    return { schedules, undecided, workers, findings };
  }

  private async whenOf(handler: NamedHandler): Promise<Provided> {
    const written = this.writtenFor(handler);
    if (written !== undefined) return written;
    const { when, kind } = handler.metadata;
    const module = handler.worker.wrapper.host!;
    return kind === 'message'
      ? this.provided.singleton(when, module)
      : this.provided.fromFactory(when as FromProviders<unknown>, module);
  }

  /** What `overrides` say, or the decorator; undefined when that leaves it to providers. */
  private writtenFor({ metadata: { kind, when }, name }: NamedHandler): Provided | undefined {
    if (kind === 'message') return undefined;
    const override = ownOverride(this.options.resolved.overrides, name);
    const changed = {
      cron: override?.cron,
      interval: override?.everyMs,
      timeout: undefined,
    }[kind];
    if (changed !== undefined) return { value: changed };
    return isFromProviders(when) ? undefined : { value: when };
  }

  private unknownOverrides(named: ReadonlyMap<string, unknown>, found: Exploration): Finding[] {
    const unknown = Object.keys(this.options.resolved.overrides ?? {}).filter(
      (name) => !named.has(name),
    );
    return unknown.map((name) => {
      const forgotten = found.unprovided.find((worker) => name.startsWith(`${worker.name}.`));
      const help =
        forgotten === undefined
          ? `Use one of the names that exist: ${[...named.keys()].join(', ') || 'there are none'}.`
          : `${forgotten.name} is marked @ScopedWorker(), but no module provides it: add it to the providers of a module.`;
      return invalid(
        name,
        `overrides[${JSON.stringify(name)}]: no schedule has this name. ${help}`,
      );
    });
  }
}

function switchedOff(schedule: Schedule): Schedule {
  return { ...schedule, options: { ...schedule.options, disabled: true } };
}
