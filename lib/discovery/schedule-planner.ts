import { Injectable } from '@nestjs/common';
import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import { OptionsStore } from '../options/options-store.js';
import { isFromProviders } from '../schedule/from-providers.js';
import type { Schedule } from '../schedule/schedule.js';
import { show } from '../checks/option-checks.js';
import type { Finding } from '../validation/finding.js';
import { backgroundFindings } from './background-findings.js';
import { adopt } from './adoption.js';
import { ProvidedValues, type Provided } from './provided-values.js';
import { handlerName, makeSchedule, ownOverride } from './schedule-factory.js';
import { WorkerExplorer, type Exploration, type FoundWorker } from './worker-explorer.js';

/** The schedules of the application, and everything that is wrong with them. */
export interface Plan {
  readonly schedules: readonly Schedule[];
  readonly workers: readonly FoundWorker[];
  readonly findings: readonly Finding[];
}

/** Turns what the explorer found into schedules; reads, checks, starts nothing. */
@Injectable()
export class SchedulePlanner {
  constructor(
    private readonly explorer: WorkerExplorer,
    private readonly options: OptionsStore,
    private readonly provided: ProvidedValues,
  ) {}

  async plan(): Promise<Plan> {
    const found = this.explorer.explore();
    const { workers, findings: skipped } = adopt(found, this.options.resolved.adoptNestSchedules);
    const findings: Finding[] = [
      ...this.options.problems().map(invalidOption),
      ...unmarkedFindings(found),
      ...unprovidedFindings(found),
      ...skipped,
      ...backgroundFindings(this.explorer.nest),
    ];
    const schedules = new Map<string, Schedule>();
    const named = new Map<string, string>();
    for (const worker of workers) {
      const placement = placementFinding(worker);
      if (placement !== undefined) findings.push(placement);
      findings.push(...repeatedFindings(worker));
      const isReadyMade = placement?.kind === 'worker-ready-made';
      for (const [metadata, name] of namesOf(worker)) {
        const handler = handlerName(worker.workerClass, metadata);
        const when = await this.whenOf(worker, metadata, name);
        const attempt = makeSchedule(worker, metadata, name, this.options.resolved, when);
        if (attempt.problems !== undefined) {
          findings.push(...attempt.problems.map((message) => invalid(handler, message)));
        } else {
          schedules.set(name, isReadyMade ? switchedOff(attempt.schedule) : attempt.schedule);
        }
        const earlier = named.get(name);
        if (earlier === undefined) named.set(name, handler);
        else findings.push(duplicate(name, earlier, handler));
      }
    }
    findings.push(...this.unknownOverrides(named, found));
    return { schedules: [...schedules.values()], workers, findings };
  }

  /** What `overrides` say, or the decorator, or the providers to which it leaves it. */
  private async whenOf(
    { wrapper }: FoundWorker,
    { kind, when }: HandlerMetadata,
    name: string,
  ): Promise<Provided> {
    if (kind === 'message') return this.provided.singleton(when, wrapper.host!);
    const override = ownOverride(this.options.resolved.overrides, name);
    const changed = { cron: override?.cron, interval: override?.everyMs, timeout: undefined }[kind];
    if (changed !== undefined) return { value: changed };
    return isFromProviders(when) ? this.provided.fromFactory(when, wrapper.host!) : { value: when };
  }

  private unknownOverrides(named: ReadonlyMap<string, string>, found: Exploration): Finding[] {
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

/** The handlers of a worker with the names of their schedules; a second decorator on a method gets `#2`. */
function namesOf(worker: FoundWorker): [FoundWorker['handlers'][number], string][] {
  const unnamed = new Map<string, number>();
  return worker.handlers.map((metadata) => {
    const given = metadata.options?.name;
    // A name of another type is refused with the other options; until then it needs a place in the map.
    if (given !== undefined) return [metadata, typeof given === 'string' ? given : show(given)];
    const handler = handlerName(worker.workerClass, metadata);
    const count = (unnamed.get(handler) ?? 0) + 1;
    unnamed.set(handler, count);
    return [metadata, count === 1 ? handler : `${handler}#${count}`];
  });
}

function invalidOption(message: string): Finding {
  return { kind: 'invalid-options', severity: 'error', subject: 'ScopedWorkerModule', message };
}

function invalid(subject: string, message: string): Finding {
  return { kind: 'invalid-schedule', severity: 'error', subject, message };
}

function duplicate(name: string, earlier: string, later: string): Finding {
  const message = `${later}: its schedule "${name}" has the name of a schedule of ${earlier}. Give one of them another name: { name: '...' }.`;
  return { kind: 'duplicate-schedule', severity: 'error', subject: later, message };
}

function switchedOff(schedule: Schedule): Schedule {
  return { ...schedule, options: { ...schedule.options, disabled: true } };
}

function unmarkedFindings({ unmarked }: Exploration): Finding[] {
  return unmarked.flatMap(({ ownerClass, handlers, isModule }) =>
    handlers.map((metadata) => {
      const handler = handlerName(ownerClass, metadata);
      const help = isModule
        ? `${ownerClass.name} is a module, which Nest builds once. Move the method to a provider marked with @ScopedWorker().`
        : `${ownerClass.name} is none. Mark the class with @ScopedWorker().`;
      return invalid(handler, `${handler}: ${metadata.decorator} needs a worker, and ${help}`);
    }),
  );
}

function unprovidedFindings({ unprovided }: Exploration): Finding[] {
  return unprovided.map(({ name }) => ({
    kind: 'worker-not-provided',
    severity: 'notice',
    subject: name,
    message: `${name} is marked @ScopedWorker(), but no module of this application provides it, so its handlers never run. Add it to the providers of a module.`,
  }));
}

/** A worker must not be a singleton: each tick has its own. */
function placementFinding({ workerClass, wrapper, handlers }: FoundWorker): Finding | undefined {
  const { name } = workerClass;
  if (handlers.length === 0) return undefined;
  if (!wrapper.metatype) {
    const message = `${name} is provided as a ready-made value, so it cannot be new on each tick: its schedules are switched off. Provide the class itself to run them.`;
    return { kind: 'worker-ready-made', severity: 'warning', subject: name, message };
  }
  const outlivesTicks = wrapper.isDependencyTreeDurable();
  if (!outlivesTicks && (!wrapper.isDependencyTreeStatic() || wrapper.isTransient))
    return undefined;
  if (outlivesTicks) {
    const message = `${name} is marked @ScopedWorker() and durable, but a worker is new on each tick. Leave durable out; what it depends on may be durable.`;
    return { kind: 'worker-not-scoped', severity: 'error', subject: name, message };
  }
  const help = wrapper.inject
    ? 'Give its factory { scope: Scope.REQUEST }.'
    : 'Put @ScopedWorker() above the other decorators of the class, so that none of them resets its scope.';
  return {
    kind: 'worker-not-scoped',
    severity: 'error',
    subject: name,
    message: `${name} is marked @ScopedWorker(), but Nest builds it once for the whole application. ${help}`,
  };
}

function repeatedFindings({ workerClass, modules }: FoundWorker): Finding[] {
  const names = [...new Set(modules.map((module) => module.name))];
  if (names.length < 2) return [];
  const message = `${workerClass.name} is provided in ${names.join(', ')}; its schedules run once, with the one of ${names[0]}.`;
  return [
    { kind: 'worker-provided-twice', severity: 'notice', subject: workerClass.name, message },
  ];
}
