import type { CronJob } from 'cron';
import { NestInside } from '../nest/index.js';
import type { ScheduleKind } from '../schedule/handler-options.js';
import type { JobCallbacks } from './shown-entries.js';
import { nestJobNamed } from '../discovery/nest-schedules.js';

/** The kinds that `SchedulerRegistry` from `@nestjs/schedule` lists; names are unique within each list. */
export type NestKind = Exclude<ScheduleKind, 'message'>;

/** The names of a kind in messages, in methods such as `SchedulerRegistry.getCronJob()`, and in `SchedulerOrchestrator`. */
const KINDS = {
  cron: { noun: 'a job', entry: 'CronJob', jobs: 'cronJobs' },
  interval: { noun: 'an interval', entry: 'Interval', jobs: 'intervals' },
  timeout: { noun: 'a timeout', entry: 'Timeout', jobs: 'timeouts' },
} as const satisfies Record<NestKind, Record<string, string>>;

type EntryName = (typeof KINDS)[NestKind]['entry'];

/** The part of `SchedulerRegistry` from `@nestjs/schedule` that this library uses; the same in versions 5 to 12. */
export type NestSchedulerRegistry = {
  doesExist(type: NestKind, name: string): boolean;
} & Record<`get${EntryName}`, (name: string) => unknown> &
  Record<`add${EntryName}`, (name: string, entry: unknown) => void> &
  Record<`delete${EntryName}`, (name: string) => void>;

/**
 * Finds the registry by its name and shape, because the application may not use the copy of `@nestjs/schedule` that we could
 * import.
 */
export function findSchedulerRegistry(nest: NestInside): NestSchedulerRegistry | undefined {
  for (const { wrapper } of nest.wrappers()) {
    if (typeof wrapper.token !== 'function' || wrapper.token.name !== 'SchedulerRegistry') continue;
    const instance = wrapper.instance as Partial<NestSchedulerRegistry> | null;
    if (typeof instance?.addCronJob === 'function' && typeof instance.doesExist === 'function')
      return instance as NestSchedulerRegistry;
  }
  return undefined;
}

/** Returns the instance of the provider with the given class name in the registry's module; undefined if there isn't one. */
function findBeside(
  nest: NestInside,
  registry: NestSchedulerRegistry,
  className: string,
): Readonly<Record<string, unknown>> | undefined {
  for (const { providers } of nest.modules.values()) {
    const wrappers = [...providers.values()];
    if (!wrappers.some(({ instance }) => instance === registry)) continue;
    const found = wrappers.find(
      ({ token }) => typeof token === 'function' && token.name === className,
    );
    if (found !== undefined) return found.instance as Readonly<Record<string, unknown>>;
  }
  return undefined;
}

/** The entry that represents a schedule in the registry. */
export type Shown =
  | { readonly kind: 'cron'; readonly entry: CronJob; readonly callbacks: JobCallbacks }
  | { readonly kind: 'interval' | 'timeout'; readonly entry: NodeJS.Timeout };

/** Returns true if the registry still has the entry: the application may have deleted it, or replaced it with its own. */
export function isThere(target: NestSchedulerRegistry, name: string, shown: Shown): boolean {
  return target.doesExist(shown.kind, name) && get(target, name, shown.kind) === shown.entry;
}

export function addTo(target: NestSchedulerRegistry, name: string, shown: Shown): void {
  target[`add${KINDS[shown.kind].entry}`](name, shown.entry);
}

/** Deletes the entry, which stops a job and clears a timer. */
export function deleteFrom(target: NestSchedulerRegistry, name: string, kind: NestKind): void {
  target[`delete${KINDS[kind].entry}`](name);
}

/** Returns an entry; throws an error if the registry has no such entry. */
export function get(target: NestSchedulerRegistry, name: string, kind: NestKind): unknown {
  return target[`get${KINDS[kind].entry}`](name);
}

/** The owner of a name in `SchedulerRegistry`. */
export interface NameHolder {
  readonly text: string;
  /** The call that added the job. The error text suggests removing that call. Undefined for a decorated job. */
  readonly adder: string | undefined;
}

/** A job from a decorator. Nest sets `ref` when it adds the job to `SchedulerRegistry`. */
type DecoratedJob = { readonly ref?: unknown };

/**
 * Finds the owner of a name in `SchedulerRegistry`. The owner is a job that is already there, or a decorated job. Nest adds
 * decorated jobs in `onApplicationBootstrap`, after our schedules are shown.
 *
 * Private fields of `SchedulerOrchestrator` from `@nestjs/schedule` contain the jobs that it will add; these fields are the same in
 * versions 5.0 to 12.0. The decorators alone don't show which jobs those are: Nest skips some classes, options disable kinds, and
 * factories make instances.
 */
export class NameHolders {
  readonly #orchestrator: Readonly<Record<string, unknown>> | undefined;

  constructor(
    private readonly nest: NestInside,
    private readonly target: NestSchedulerRegistry,
  ) {
    this.#orchestrator = findBeside(nest, target, 'SchedulerOrchestrator');
  }

  /** Returns the owner of a name; undefined if the name is free. */
  holderOf(kind: NestKind, name: string): NameHolder | undefined {
    const job = this.decoratedJob(kind, name);
    const isPending = job !== undefined && job.ref === undefined;
    if (!isPending && !this.target.doesExist(kind, name)) return undefined;
    if (!isPending && job?.ref !== get(this.target, name, kind))
      return {
        text: `${KINDS[kind].noun} that the application has added to SchedulerRegistry`,
        adder: `add${KINDS[kind].entry}()`,
      };
    const text =
      nestJobNamed(this.nest.modules.values(), kind, name) ??
      `${KINDS[kind].noun} that @nestjs/schedule runs`; // a job that can't be found through any provider, such as the job of an alias
    return { text, adder: undefined };
  }

  private decoratedJob(kind: NestKind, name: string): DecoratedJob | undefined {
    const jobs = this.#orchestrator?.[KINDS[kind].jobs];
    if (typeof jobs !== 'object' || jobs === null || !Object.hasOwn(jobs, name)) return undefined;
    return (jobs as Readonly<Record<string, DecoratedJob>>)[name];
  }
}
