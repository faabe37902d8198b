import type { HandlerMetadata } from '../decorators/worker-metadata.js';
import { handlerOptionProblems } from '../schedule/check-handler-options.js';
import {
  resolveHandlerOptions,
  type ResolvedHandlerOptions,
  type ScheduleOverride,
} from '../schedule/handler-options.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
import { delayProblem, periodProblem, show } from '../schedule/option-checks.js';
import { CronExpression } from '../schedule/cron-expression.js';
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

/** `off` is the expression that switches a schedule off, as Spring has it. */
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
  // Values that are known to be bad must not reach the defaults' arithmetic.
  if (problems.length > 0) return { handler, name, problems };

  const options = resolveHandlerOptions(
    metadata.kind === 'interval',
    module.defaults,
    worker.options,
    metadata.options,
    override,
  );
  const when = override?.cron ?? override?.everyMs ?? metadata.when;
  const isOff = when === OFF && metadata.kind === 'cron';
  const timed = isOff
    ? { timeline: new EmptyTimeline() }
    : timelineOf(metadata, when, options, handler);
  if (timed.problem !== undefined) return { handler, name, problems: [timed.problem] };
  return {
    schedule: {
      name,
      handler,
      kind: metadata.kind,
      expression: metadata.kind === 'cron' ? (when as string) : undefined,
      everyMs: metadata.kind === 'cron' ? undefined : (when as number),
      timeline: timed.timeline,
      options: isOff ? { ...options, disabled: true } : options,
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
  return overrides !== undefined && Object.hasOwn(overrides, name) ? overrides[name] : undefined;
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
  if (typeof (workerClass.prototype as Record<string, unknown>)[metadata.method] !== 'function') {
    return [
      `${handler}: ${metadata.decorator} stands on something that is no method. Put it on a method of the class.`,
    ];
  }
  return [];
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
    ...handlerOptionProblems(worker.options).map(
      (problem) => `${handler}: @ScopedWorker option ${problem}.`,
    ),
  );
  const overrideLabel = `${handler}: overrides[${JSON.stringify(name)}]`;
  problems.push(
    ...handlerOptionProblems(override, ['cron', 'everyMs']).map(
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
  if (metadata.options?.fixedDelay === true && metadata.kind !== 'interval') {
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
  const problem = { cron: cronProblem, interval: periodProblem, timeout: delayProblem }[
    metadata.kind
  ](when, options);
  if (problem !== undefined) {
    const what = { cron: 'the cron expression', interval: 'the period', timeout: 'the delay' }[
      metadata.kind
    ];
    return { problem: `${handler}: ${what} of ${metadata.decorator} ${problem}.` };
  }
  if (metadata.kind === 'cron')
    return { timeline: new CronTimeline(new CronExpression(when as string, options)) };
  return {
    timeline:
      metadata.kind === 'interval'
        ? new IntervalTimeline(when as number)
        : new TimeoutTimeline(when as number),
  };
}

function cronProblem(when: unknown, options: ResolvedHandlerOptions): string | undefined {
  const help =
    "write five or six fields, seconds first, such as '0 */5 * * * *', or '-' to switch it off";
  if (typeof when !== 'string') return `must be a string, not ${show(when)}; ${help}`;
  try {
    new CronExpression(when, options);
    return undefined;
  } catch (error) {
    return `cannot be read: ${show(when)} (${(error as Error).message}); ${help}`;
  }
}
