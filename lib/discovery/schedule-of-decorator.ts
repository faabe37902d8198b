import { types } from 'node:util';
import type { HandlerMetadata } from '../decorators/handler-metadata.js';
import { tokenText } from '../nest/index.js';
import type { MessageSource } from '../consumers/source/message-source.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
import {
  decoratorProblems,
  overrideProblems,
  workerOptionProblems,
} from '../schedule/check-handler-options.js';
import type { ConsumerOptions, ResolvedConsumer } from '../schedule/consumer-options.js';
import { isFromProviders } from '../schedule/from-providers.js';
import {
  resolveHandlerOptions,
  type HandlerOptions,
  type ResolvedHandlerOptions,
  type ScheduleOverride,
} from '../schedule/handler-options.js';
import { methodOf } from '../util/values.js';
import { A_GENERATOR, show } from '../util/option-checks.js';
import type { Schedule } from '../schedule/schedule.js';
import { readTiming, neverDueTiming, WHAT_IS_DUE, type Timing } from '../schedule/timing.js';
import type { Provided } from './decorator-values.js';
import type { NamedHandler } from './schedule-names.js';

/** The options of the module that apply to a schedule. */
export type ModuleLayers = Pick<ScopedWorkerModuleOptions, 'defaults' | 'overrides'>;

/** A schedule, or the problems that prevent it. */
export interface ScheduleOrProblems {
  readonly schedule?: Schedule;
  readonly problems: readonly string[];
}

/**
 * Creates the schedule of one decorator, or lists all problems with the decorator and its place.
 *
 * @param when the value from the decorator, from `overrides` or from a provider. Undefined if a factory supplies it later: the
 * schedule is then a placeholder, which is listed but never due.
 */
export function makeSchedule(
  named: NamedHandler,
  { defaults, overrides }: ModuleLayers,
  when: Provided | undefined,
): ScheduleOrProblems {
  const { worker, metadata, handler, name } = named;
  const { kind, decorator } = metadata;
  const override = ownOverride(overrides, name);
  const layers = [defaults, worker.options, metadata.options as HandlerOptions, override];
  const options = resolveHandlerOptions(kind, ...layers);
  const problems = optionProblems(named, override);
  const changed = overriddenTiming(kind, override);
  const culprit =
    changed === undefined
      ? `the ${WHAT_IS_DUE[kind]} of ${decorator}`
      : `overrides[${JSON.stringify(name)}].${changed}`;
  const say = (problem: string): void => void problems.push(`${culprit} ${problem}`);
  let timing: Timing | undefined = neverDueTiming(kind);
  let consumer: ResolvedConsumer | undefined;
  if (when?.problem !== undefined) say(when.problem);
  else if (when !== undefined && kind === 'message') {
    const read = readConsumer(when.value, options, metadata, override);
    if (typeof read === 'string') say(read);
    else consumer = read;
  } else if (when !== undefined) {
    // `@Cron` from `@nestjs/schedule` doesn't support `'-'`.
    const isForeign = metadata.isAdopted === true && changed === undefined;
    const canBeOff = (kind === 'cron' && !isForeign) || isFromProviders(metadata.when);
    const read = readTiming(kind, when.value, options, canBeOff);
    if (read.problem !== undefined && nameFirst(metadata) === undefined) say(read.problem);
    timing = read.timing;
  }
  if (timing === undefined || problems.length > 0)
    return { problems: problems.map((problem) => `${handler}: ${problem}.`) };
  const schedule = {
    name,
    handler,
    ...timing,
    options: consumer === undefined ? options : ofConsumer(options, consumer),
    target: targetOf(named),
    ...(consumer === undefined ? {} : { consumer }),
  };
  return { schedule, problems: [] };
}

function targetOf({
  worker: { wrapper },
  metadata: { method, isAdopted },
}: NamedHandler): Schedule['target'] {
  return { worker: wrapper, method, isBare: isAdopted ?? false };
}

/** Returns the entry of `overrides` for a schedule. */
export function ownOverride(
  overrides: ScopedWorkerModuleOptions['overrides'],
  name: string,
): ScheduleOverride | undefined {
  return Object.hasOwn(overrides ?? {}, name) ? overrides?.[name] : undefined;
}

/** Returns the option of an override that replaces the timing in a schedule's decorator, if there is one. */
export function overriddenTiming(
  kind: HandlerMetadata['kind'],
  override: ScheduleOverride | undefined,
): 'cron' | 'everyMs' | undefined {
  if (kind === 'cron' && override?.cron !== undefined) return 'cron';
  return kind === 'interval' && override?.everyMs !== undefined ? 'everyMs' : undefined;
}

/** Returns the options of a consumer, or the problem with its source. */
function readConsumer(
  source: unknown,
  { maxConcurrency }: ResolvedHandlerOptions,
  metadata: HandlerMetadata,
  override: ScheduleOverride | undefined,
): ResolvedConsumer | string {
  const given = metadata.options as ConsumerOptions | undefined;
  if (typeof (source as Partial<MessageSource> | null)?.read !== 'function')
    return `names ${tokenText(metadata.when)}, which is ${show(source)}, not a MessageSource: it has no read(signal). Write async *read(signal), or provide inMemoryQueue()`;
  const consumer: ResolvedConsumer = {
    source: source as MessageSource,
    sourceName: tokenText(metadata.when),
    concurrency:
      override?.concurrency ??
      override?.maxConcurrency ??
      given?.concurrency ??
      maxConcurrency ??
      1,
    maxDeliveries: override?.maxDeliveries ?? given?.maxDeliveries,
    deadLetter: given?.deadLetter,
  };
  const isLost = consumer.deadLetter === undefined && consumer.source.keepsDeadLetters !== true;
  if (consumer.maxDeliveries !== undefined && isLost)
    return 'keeps no dead letters, so a message that reaches maxDeliveries would be lost. Set deadLetter as well';
  return consumer;
}

/**
 * Resets the options that concern due times, because messages have none: the consumer limits the concurrency, and no message is
 * skipped.
 */
function ofConsumer(
  options: ResolvedHandlerOptions,
  { concurrency }: ResolvedConsumer,
): ResolvedHandlerOptions {
  return {
    ...options,
    overlap: 'allow',
    overlapKey: undefined,
    maxConcurrency: concurrency,
    forEach: undefined,
    runOnStart: false,
    initialDelayMs: 0,
    jitterMs: 0,
  };
}

/**
 * Returns all problems with the place and the options of a decorator. Each is a clause that begins with the decorator or override
 * at fault.
 */
function optionProblems(
  { worker, metadata, name }: NamedHandler,
  override: ScheduleOverride | undefined,
): string[] {
  const { kind, decorator, options } = metadata;
  const misplaced = placeProblem(worker.workerClass, metadata);
  const ofName = nameFirst(metadata);
  const own = ofName === undefined ? decoratorProblems(options, kind) : [ofName];
  const ofOverride = [...overrideProblems(override, kind), ...mismatches(override ?? {}, metadata)];
  return [
    ...(misplaced === undefined ? [] : [`${decorator} ${misplaced}`]),
    ...own.map((problem) => `${decorator} ${problem}`),
    ...workerOptionProblems(worker.options).map((problem) => `@ScopedWorker ${problem}`),
    ...ofOverride.map((problem) => `overrides[${JSON.stringify(name)}] ${problem}`),
  ];
}

function placeProblem(
  workerClass: Function,
  { isStatic, method }: HandlerMetadata,
): string | undefined {
  if (isStatic)
    return 'is on a static method. Make it an instance method: each tick has its own worker';
  if (method.startsWith('Symbol('))
    return 'is on a method whose name is a symbol. Use a string as its name: the schedule is named after the method';
  const found = methodOf(workerClass, method);
  if (found === undefined) return 'is not on a method. Move it to a method of the class';
  return types.isGeneratorFunction(found) ? `is on ${A_GENERATOR}` : undefined;
}

/** Reports a name that is the first argument, as in `@Interval('poll', 1000)` from `@nestjs/schedule`. */
function nameFirst({ kind, decorator, when, options }: HandlerMetadata): string | undefined {
  const isTimed = kind === 'interval' || kind === 'timeout';
  if (!isTimed || typeof when !== 'string' || typeof options !== 'number') return undefined;
  return `takes its name as an option. Write ${decorator}(${String(options)}, { name: ${show(when)} }) instead`;
}

/** Reports options of an override that belong to another kind of schedule. */
function mismatches(
  { cron, everyMs, concurrency, maxDeliveries }: ScheduleOverride,
  { kind, decorator }: HandlerMetadata,
): string[] {
  const problems: string[] = [];
  if (cron !== undefined && kind !== 'cron') {
    const help = kind === 'interval' ? '. Use everyMs' : '. Remove cron';
    problems.push(`has cron, but ${decorator} isn't a cron${help}`);
  }
  if (everyMs !== undefined && kind !== 'interval') {
    const help = kind === 'cron' ? '. Use cron' : '. Remove everyMs';
    problems.push(`has everyMs, but ${decorator} isn't an interval${help}`);
  }
  if ((concurrency ?? maxDeliveries) !== undefined && kind !== 'message')
    problems.push(
      `has concurrency or maxDeliveries, but ${decorator} isn't a consumer. Use maxConcurrency`,
    );
  return problems;
}
