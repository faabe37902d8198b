import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import { handlerOptionProblems } from '../schedule/check-handler-options.js';
import {
  resolveHandlerOptions,
  type ResolvedHandlerOptions,
  type ScheduleOverride,
} from '../schedule/handler-options.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
import { delayProblem, periodProblem, show } from '../schedule/option-checks.js';
import { CronExpression, type CronZone } from '../schedule/cron-expression.js';
import type { Schedule } from '../schedule/schedule.js';
import {
  CronTimeline,
  EmptyTimeline,
  IntervalTimeline,
  TimeoutTimeline,
  type Timeline,
} from '../schedule/timeline.js';
import type { FoundWorker } from './worker-explorer.js';

/** A schedule, or what keeps it from being one. */
export type ScheduleAttempt =
  | { readonly schedule: Schedule; readonly problems?: never }
  | {
      readonly schedule?: never;
      readonly handler: string;
      readonly name: string;
      readonly problems: readonly string[];
    };

/** The expression that switches a schedule off, as Spring has it. */
const OFF = '-';

/** Makes the schedule of one decorator, or says everything that is wrong with it. */
export function makeSchedule(
  worker: FoundWorker,
  metadata: HandlerMetadata,
  name: string,
  module: Pick<ScopedWorkerModuleOptions, 'defaults' | 'overrides'>,
): ScheduleAttempt {
  const handler = handlerName(worker.workerClass, metadata);
  const override = ownOverride(module.overrides, name);
  const problems = [
    ...placeProblems(worker.workerClass, metadata, handler),
    ...optionProblems(worker, metadata, handler, override, name),
  ];
  const options = resolveHandlerOptions(
    metadata.kind === 'interval',
    module.defaults,
    worker.options,
    metadata.options,
    override,
  );
  const changed = { cron: override?.cron, interval: override?.everyMs, timeout: undefined }[
    metadata.kind
  ];
  const when = changed ?? metadata.when;
  const isOff = when === OFF && metadata.kind === 'cron';
  const timed = isOff
    ? { timeline: new EmptyTimeline() }
    : timelineOf(metadata, when, options, handler);
  if (timed.problem !== undefined) problems.push(timed.problem);
  if (timed.timeline === undefined || problems.length > 0) return { handler, name, problems };
  return {
    schedule: {
      name,
      handler,
      kind: metadata.kind,
      expression: metadata.kind === 'cron' ? (when as string) : undefined,
      everyMs: metadata.kind === 'cron' ? undefined : (when as number),
      timeline: timed.timeline,
      options: {
        ...options,
        disabled: options.disabled || isOff,
        fixedDelay: options.fixedDelay && metadata.kind === 'interval',
      },
      target: { worker: worker.wrapper, method: metadata.method },
    },
  };
}

export function handlerName(workerClass: Function, metadata: HandlerMetadata): string {
  return `${workerClass.name}.${metadata.method}`;
}

function ownOverride(
  overrides: ScopedWorkerModuleOptions['overrides'],
  name: string,
): ScheduleOverride | undefined {
  return Object.hasOwn(overrides ?? {}, name) ? overrides?.[name] : undefined;
}

function placeProblems(
  workerClass: Function,
  metadata: HandlerMetadata,
  handler: string,
): string[] {
  if (metadata.isStatic) {
    return [
      `${handler}: ${metadata.decorator} stands on a static method. Make it an instance method: each tick has its own worker.`,
    ];
  }
  if (metadata.method.startsWith('Symbol(')) {
    return [
      `${handler}: ${metadata.decorator} stands on a method whose name is a symbol. Give the method a name: schedules are called by it.`,
    ];
  }
  if (!hasMethod(workerClass, metadata.method)) {
    return [
      `${handler}: ${metadata.decorator} stands on something that is no method. Put it on a method of the class.`,
    ];
  }
  return [];
}

/** Looks without reading: a getter must not run. */
function hasMethod(workerClass: Function, method: string): boolean {
  for (
    let owner: unknown = workerClass.prototype;
    owner !== null;
    owner = Object.getPrototypeOf(owner)
  ) {
    const property = Object.getOwnPropertyDescriptor(owner, method);
    if (property !== undefined) return typeof property.value === 'function';
  }
  return false;
}

function optionProblems(
  worker: FoundWorker,
  metadata: HandlerMetadata,
  handler: string,
  override: ScheduleOverride | undefined,
  name: string,
): string[] {
  const problems = handlerOptionProblems(metadata.options).map(
    (problem) => `${handler}: ${metadata.decorator} option ${problem}.`,
  );
  problems.push(
    ...handlerOptionProblems(worker.options, { without: ['name'] }).map(
      (problem) => `${handler}: @ScopedWorker option ${problem}.`,
    ),
  );
  const overrideLabel = `${handler}: overrides[${JSON.stringify(name)}]`;
  problems.push(
    ...handlerOptionProblems(override, { also: ['cron', 'everyMs'], without: ['name'] }).map(
      (problem) => `${overrideLabel} ${problem}.`,
    ),
  );
  if (override?.cron !== undefined && metadata.kind !== 'cron') {
    problems.push(`${overrideLabel} has cron, but ${metadata.decorator} is no cron; use everyMs.`);
  }
  if (override?.everyMs !== undefined && metadata.kind !== 'interval') {
    problems.push(
      `${overrideLabel} has everyMs, but ${metadata.decorator} is no interval; use cron.`,
    );
  }
  const asksFixedDelay = metadata.options?.fixedDelay === true || override?.fixedDelay === true;
  if (asksFixedDelay && metadata.kind !== 'interval') {
    problems.push(
      `${handler}: fixedDelay is an option of @ScopedInterval; leave it out of ${metadata.decorator}.`,
    );
  }
  return problems;
}

function timelineOf(
  metadata: HandlerMetadata,
  when: unknown,
  options: ResolvedHandlerOptions,
  handler: string,
): { timeline: Timeline; problem?: never } | { timeline?: never; problem: string } {
  const say = (what: string, problem: string): { problem: string } => ({
    problem: `${handler}: the ${what} of ${metadata.decorator} ${problem}.`,
  });
  if (metadata.kind === 'cron') {
    const cron = readCron(when, options);
    return typeof cron === 'string'
      ? say('cron expression', cron)
      : { timeline: new CronTimeline(cron) };
  }
  const isInterval = metadata.kind === 'interval';
  const problem = isInterval ? periodProblem(when) : delayProblem(when);
  if (problem !== undefined) return say(isInterval ? 'period' : 'delay', problem);
  const ms = when as number;
  return { timeline: isInterval ? new IntervalTimeline(ms) : new TimeoutTimeline(ms) };
}

/** The expression, or what is wrong with it. A bad zone is named with the other options. */
function readCron(when: unknown, zone: CronZone): CronExpression | string {
  const help =
    "write five or six fields, seconds first, such as '0 */5 * * * *', or '-' to switch it off";
  if (typeof when !== 'string') return `must be a string, not ${show(when)}; ${help}`;
  const { timeZone, utcOffset } = zone;
  const isGoodZone = handlerOptionProblems({ timeZone, utcOffset }).length === 0;
  try {
    return new CronExpression(when, isGoodZone ? zone : { timeZone: 'UTC', utcOffset: undefined });
  } catch (error) {
    return `cannot be read: ${show(when)} (${(error as Error).message}); ${help}`;
  }
}
