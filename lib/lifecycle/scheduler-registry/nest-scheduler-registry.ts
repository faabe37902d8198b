import type { CronJob } from 'cron';
import type { NestInside } from '../../nest/index.js';
import type { ScheduleKind } from '../../schedule/handler-options.js';
import type { JobCallbacks } from './shown-job.js';

/** The kinds that `SchedulerRegistry` of `@nestjs/schedule` lists; names are unique within each list. */
export type NestKind = Exclude<ScheduleKind, 'message'>;

/** The part of `SchedulerRegistry` of `@nestjs/schedule` that this library uses; the same from 5 to 12. */
export interface NestSchedulerRegistry {
  doesExist(type: NestKind, name: string): boolean;
  getCronJob(name: string): CronJob;
  addCronJob(name: string, job: CronJob): void;
  deleteCronJob(name: string): void;
  getInterval(name: string): unknown;
  addInterval(name: string, timer: unknown): void;
  deleteInterval(name: string): void;
  getTimeout(name: string): unknown;
  addTimeout(name: string, timer: unknown): void;
  deleteTimeout(name: string): void;
}

/**
 * Finds the registry by its name and shape, because the application may have a different copy of `@nestjs/schedule` from the
 * one that we could import.
 */
export function findSchedulerRegistry(nest: NestInside): NestSchedulerRegistry | undefined {
  for (const { wrapper } of nest.wrappers()) {
    if (typeof wrapper.token !== 'function' || wrapper.token.name !== 'SchedulerRegistry') continue;
    const instance = wrapper.instance as Partial<NestSchedulerRegistry> | null;
    if (typeof instance?.addCronJob === 'function' && typeof instance.doesExist === 'function') {
      return instance as NestSchedulerRegistry;
    }
  }
  return undefined;
}

/** Returns the provider of the module of a registry whose class has this name. */
export function findBeside(
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

/** The entry that appears for a schedule. */
export type Shown =
  | { readonly kind: 'cron'; readonly entry: CronJob; readonly callbacks: JobCallbacks }
  | { readonly kind: 'interval' | 'timeout'; readonly entry: NodeJS.Timeout };

/** True if the registry still has the entry: the application may have deleted it, and added its own. */
export function isThere(target: NestSchedulerRegistry, name: string, shown: Shown): boolean {
  return target.doesExist(shown.kind, name) && get(target, name, shown.kind) === shown.entry;
}

export function addTo(target: NestSchedulerRegistry, name: string, shown: Shown): void {
  if (shown.kind === 'cron') target.addCronJob(name, shown.entry);
  else if (shown.kind === 'interval') target.addInterval(name, shown.entry);
  else target.addTimeout(name, shown.entry);
}

/** Deletes the entry, which stops a job and clears a timer. */
export function deleteFrom(target: NestSchedulerRegistry, name: string, kind: NestKind): void {
  if (kind === 'cron') target.deleteCronJob(name);
  else if (kind === 'interval') target.deleteInterval(name);
  else target.deleteTimeout(name);
}

/** @throws Error if the registry has no such entry. */
export function get(target: NestSchedulerRegistry, name: string, kind: NestKind): unknown {
  if (kind === 'cron') return target.getCronJob(name);
  return kind === 'interval' ? target.getInterval(name) : target.getTimeout(name);
}
