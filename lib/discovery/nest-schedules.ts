import 'reflect-metadata';
import type { HandlerMetadata } from '../decorators/handler-metadata.js';
import { isFactory, type NestModule } from '../nest/index.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { isDisabled, type Schedule } from '../schedule/schedule.js';
import { methodsOf } from '../util/values.js';
import { classOfInstance, providedClasses } from './provided-classes.js';

/**
 * The metadata keys that `@nestjs/schedule` sets on a method's function. They are the same in versions 5.0 to 12.0. They aren't
 * imported, because the package is optional, and the application may have another copy of it.
 */
const TYPE = 'SCHEDULER_TYPE';
const NAME = 'SCHEDULER_NAME';
const CRON = 'SCHEDULE_CRON_OPTIONS';
const INTERVAL = 'SCHEDULE_INTERVAL_OPTIONS';
const TIMEOUT = 'SCHEDULE_TIMEOUT_OPTIONS';
const MODULE_OPTIONS = 'SCHEDULE_MODULE_OPTIONS';

/** The values of `SchedulerType` in `@nestjs/schedule`. */
const TYPES = { cron: 1, timeout: 2, interval: 3 } as const;

/** The configuration of `ScheduleModule` in an application. */
export interface NestScheduling {
  readonly isImported: boolean;
  /** The kinds of jobs that the module runs; all kinds if the module isn't imported. */
  readonly kinds: ReadonlySet<keyof typeof TYPES>;
}

/** The options of `ScheduleModule.forRoot()` that disable a kind of job. */
export const SWITCHES = { cron: 'cronJobs', interval: 'intervals', timeout: 'timeouts' } as const;

const EVERY_KIND = ['cron', 'interval', 'timeout'] as const;

/**
 * Reads the options of `ScheduleModule`. If the module is imported more than once, the jobs of a kind run unless all imports
 * disable that kind.
 */
export function nestScheduling(modules: Iterable<NestModule>): NestScheduling {
  const imports = [...modules].flatMap(({ providers }) => providers.get(MODULE_OPTIONS) ?? []);
  // Nest's preview mode doesn't call the factory of `forRootAsync()`, so the defaults apply.
  const isKnown = imports.every((wrapper) => !isFactory(wrapper) || hasSwitches(wrapper.instance));
  const isImported = imports.length > 0;
  if (!isImported || !isKnown) return { isImported, kinds: new Set(EVERY_KIND) };
  const given = imports.map(
    ({ instance }) => instance as Record<string, unknown> | null | undefined,
  );
  const kinds = EVERY_KIND.filter((kind) => given.some((options) => options?.[SWITCHES[kind]]));
  return { isImported, kinds: new Set(kinds) };
}

function hasSwitches(options: unknown): boolean {
  if (typeof options !== 'object' || options === null) return false;
  return Object.values(SWITCHES).some((option) => option in options);
}

/**
 * Returns the `@Cron`, `@Interval` and `@Timeout` decorators on the methods of a class, in the form of our decorators. As in
 * `@nestjs/schedule`, an overriding method without a decorator isn't a job, and only the topmost of several decorators on one
 * method counts. Static methods, accessors and methods named by a symbol are left out.
 */
export function nestHandlersOf(
  target: Function,
  kinds: NestScheduling['kinds'],
): HandlerMetadata[] {
  return methodsOf(target).flatMap(([method, handler]) => {
    const type: unknown = Reflect.getMetadata(TYPE, handler);
    const kind = EVERY_KIND.find((each) => TYPES[each] === type);
    if (kind === undefined || !kinds.has(kind)) return [];
    const job = kind === 'cron' ? cron(handler) : timer(kind, handler);
    return [{ ...job, method, isStatic: false, isAdopted: true }];
  });
}

/** The metadata of a decorator from `@nestjs/schedule`. */
type Job = Pick<HandlerMetadata, 'kind' | 'decorator' | 'when' | 'options'>;

/** Describes the decorated job that Nest runs under a name, as text that follows `the same name as`. */
export function nestJobNamed(
  modules: Iterable<NestModule>,
  kind: keyof typeof TYPES,
  name: string,
): string | undefined {
  for (const { ownerClass, wrapper } of providedClasses(modules, classOfInstance)) {
    if (!wrapper.isDependencyTreeStatic()) continue;
    const jobs = nestHandlersOf(ownerClass, new Set([kind]));
    const found = jobs.find(({ options }) => options?.name === name);
    if (found !== undefined)
      return `the ${found.decorator} of ${ownerClass.name}.${found.method}, which @nestjs/schedule runs`;
  }
  return undefined;
}

/** Returns the kind under which a schedule appears in `SchedulerRegistry`; undefined if the schedule doesn't appear there. */
export function kindInRegistry(
  schedule: Schedule,
  modules: Iterable<NestModule>,
): keyof typeof TYPES | undefined {
  const { kind, isOff } = schedule;
  if (kind === 'message' || isOff) return undefined;
  if (!isDisabled(schedule)) return kind;
  // As with `@Cron`, a job with `disabled` exists, and `start()` starts it. With
  // `ScheduleModule.forRoot({ cronJobs: false })`, the job doesn't exist.
  return kind === 'cron' && nestScheduling(modules).kinds.has(kind) ? kind : undefined;
}

function cron(handler: Function): Job {
  const given = (Reflect.getMetadata(CRON, handler) ?? {}) as Readonly<Record<string, unknown>>;
  const { cronTime, disabled, initialDelay, threshold, timeZone, utcOffset } = given;
  const instant = instantOf(cronTime);
  const options = {
    name: given['name'] || undefined,
    // By default, `@Cron` doesn't wait for the previous run to finish.
    overlap: given['waitForCompletion'] ? 'skip' : 'allow',
    ...(disabled === undefined ? {} : { disabled: Boolean(disabled) }),
    timeZone: timeZone ?? undefined,
    utcOffset: utcOffset ?? undefined,
    initialDelayMs: initialDelay ?? undefined,
    ...misfireOf(threshold),
  };
  return {
    kind: instant === undefined ? 'cron' : 'timeout',
    decorator: '@Cron',
    when: instant ?? cronTime,
    options: options as HandlerOptions,
  };
}

/**
 * Returns our options for the `threshold` from `cron`, the lateness above which that package skips a slot. Without a threshold,
 * `cron` 4.4 runs one late slot, as this library does.
 */
function misfireOf(threshold: unknown): object {
  if (threshold === undefined || threshold === null) return {};
  return {
    misfire: 'skip',
    misfireThresholdMs:
      typeof threshold === 'number' ? Math.max(Math.abs(threshold), 1) : threshold,
  };
}

function timer(kind: 'interval' | 'timeout', handler: Function): Job {
  const [decorator, key] = kind === 'interval' ? ['@Interval', INTERVAL] : ['@Timeout', TIMEOUT];
  const given = Reflect.getMetadata(key, handler) as { readonly timeout?: unknown } | undefined;
  const name: unknown = Reflect.getMetadata(NAME, handler) || undefined;
  // Nest uses `setInterval`, which doesn't wait for the previous run.
  const options = { name, overlap: 'allow' } as HandlerOptions;
  return { kind, decorator, when: given?.timeout, options };
}

/** Returns the moment of a `Date` or of a luxon `DateTime`, which has `toMillis()`. */
function instantOf(cronTime: unknown): Date | undefined {
  if (cronTime instanceof Date) return cronTime;
  const { toMillis } = (cronTime ?? {}) as { toMillis?: unknown };
  if (typeof toMillis !== 'function') return undefined;
  return new Date((cronTime as { toMillis(): number }).toMillis());
}
