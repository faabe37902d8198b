import { fromProvidersProblem, isFromProviders } from './from-providers.js';
import type { HandlerOptions, ScheduleKind } from './handler-options.js';
import {
  booleanProblem,
  choiceProblem,
  countProblem,
  delayProblem,
  functionProblem,
  inheritedProblems,
  isOptions,
  limitProblem,
  named,
  nameProblem,
  optionsProblems,
  show,
} from '../util/option-checks.js';
import { withoutUndefined } from '../util/values.js';

type Check = (value: unknown) => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  name: givenNameProblem,
  disabled: booleanProblem,
  timeZone: timeZoneProblem,
  utcOffset: utcOffsetProblem,
  overlap: (value) => choiceProblem(value, ['skip', 'buffer-one', 'allow', 'cancel-other']),
  overlapKey: nameProblem,
  maxConcurrency: countProblem,
  misfire: (value) => choiceProblem(value, ['skip', 'once', 'all']),
  misfireThresholdMs: (value) => limitProblem(value, 1),
  timeoutMs: (value) => limitProblem(value, 1),
  retry: retryProblem,
  forEach: fromProvidersProblem,
  once: onceProblem,
  onFailure: (value) => choiceProblem(value, ['continue', 'pause', 'stop-app']),
  resolution: resolutionProblem,
  initialDelayMs: delayProblem,
  jitterMs: delayProblem,
  runOnStart: booleanProblem,
  fixedDelay: booleanProblem,
};

const { name: _name, ...NAMELESS_CHECKS } = CHECKS;

/** Checks for options that only consumers have. */
const CONSUMER_CHECKS: Readonly<Record<string, Check>> = {
  concurrency: countProblem,
  maxDeliveries: countProblem,
  deadLetter: functionProblem,
};

/** The common options that consumers also have, except `name`. The other options concern due times, which messages don't have. */
const OF_CONSUMERS = [
  'disabled',
  'maxConcurrency',
  'timeoutMs',
  'retry',
  'once',
  'onFailure',
  'resolution',
];
const SHARED_CHECKS = Object.fromEntries(OF_CONSUMERS.map((key) => [key, CHECKS[key]!]));

/** Returns the problems with one entry of `overrides`; `cron` and `everyMs` are checked where they are read. */
export function overrideProblems(override: unknown, kind: ScheduleKind): string[] {
  const { deadLetter: _, ...ofConsumers } = CONSUMER_CHECKS;
  const checks = {
    cron: passes,
    everyMs: passes,
    ...(kind === 'message' ? SHARED_CHECKS : NAMELESS_CHECKS),
    ...ofConsumers,
  };
  return [...problemsOf(override, checks), ...misfits(override, kind)];
}

/**
 * Returns the problems with options that apply to several handlers. `name` isn't allowed there, because each handler needs its
 * own.
 */
export function defaultsProblems(defaults: unknown): string[] {
  return problemsOf(defaults, NAMELESS_CHECKS);
}

/** Returns the problems with the options of `@ScopedWorker()`, in the form of `decoratorProblems()`. */
export function workerOptionProblems(options: unknown): string[] {
  return problemsOf(options, NAMELESS_CHECKS, OF_DECORATOR);
}

/** Returns the problems with the options of a handler's decorator, each as a clause to follow the decorator's name. */
export function decoratorProblems(options: unknown, kind: ScheduleKind): string[] {
  if (kind === 'message') {
    const checks = { name: givenNameProblem, ...SHARED_CHECKS, ...CONSUMER_CHECKS };
    return problemsOf(options, checks, OF_DECORATOR);
  }
  const wrong = misfits(options, kind).map((problem) => `${OF_DECORATOR.one}${problem}`);
  return [...problemsOf(options, CHECKS, OF_DECORATOR), ...wrong];
}

/** Returns a clause for each option that schedules of this kind don't have. Defaults for several kinds may have such options. */
export function misfits(options: unknown, kind: ScheduleKind): string[] {
  const { fixedDelay } = (options ?? {}) as HandlerOptions;
  return fixedDelay === true && kind !== 'interval' && kind !== 'message'
    ? ['fixedDelay applies to intervals only (@ScopedInterval, everyMs). Remove it']
    : [];
}

/** Returns the problems with one layer of handler options, each as a clause to follow the name of the culprit. */
export function handlerOptionProblems(options: unknown): string[] {
  return problemsOf(options, CHECKS);
}

/** The beginnings of a clause about one option and of a clause about all options. */
interface Subjects {
  readonly one: string;
  readonly all: string;
}

const OF_DECORATOR: Subjects = { one: 'option ', all: 'options must be an object' };
const OF_CALL: Subjects = { one: '', all: 'must be an options object' };

function problemsOf(
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  { one, all }: Subjects = OF_CALL,
): string[] {
  if (options === undefined) return [];
  if (!isOptions(options)) return [`${all}, not ${show(options)}`];
  const problems: string[] = [];
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (key === 'name' && !Object.hasOwn(checks, key)) {
      problems.push('cannot have a name: every schedule has its own name, set in its decorator');
      continue;
    }
    if (key === 'scope' && one === OF_DECORATOR.one) {
      problems.push('has no option "scope": each tick has its own worker anyway. Remove it');
      continue;
    }
    const equivalent = Object.hasOwn(checks, 'overlap') && equivalentOf(key, value);
    if (!Object.hasOwn(checks, key) && equivalent) {
      problems.push(`has no option "${key}"; use ${equivalent} instead`);
      continue;
    }
    if (!Object.hasOwn(checks, key)) {
      problems.push(`has no option "${key}"; the options are ${Object.keys(checks).join(', ')}`);
      continue;
    }
    const problem = checks[key]!(value);
    if (problem !== undefined) problems.push(`${one}${key} ${problem}`);
  }
  for (const problem of named(inheritedProblems(options, Object.keys(checks))))
    problems.push(`${one}${problem}`);
  const { timeZone, utcOffset } = options as { timeZone?: unknown; utcOffset?: unknown };
  if (timeZone !== undefined && utcOffset !== undefined)
    problems.push('has both timeZone and utcOffset; keep one of them');
  return problems;
}

/**
 * This library's equivalents of the options of other schedulers, starting with those of `@Cron` and of the job that it creates.
 */
const EQUIVALENTS: ReadonlyMap<string, string> = new Map([
  ['waitForCompletion', "overlap: 'skip'"],
  ['threshold', "misfireThresholdMs and misfire: 'skip'"],
  ['initialDelay', 'initialDelayMs'],
  ['runOnInit', 'runOnStart'],
  ['unrefTimeout', 'engine: inProcessEngine({ unref: true }) in ScopedWorkerModule.forRoot()'],
  ['timezone', 'timeZone'],
  ['tz', 'timeZone'],
  ['timeout', 'timeoutMs'],
  ['retries', 'retry: { attempts }'],
  ['enabled', 'disabled'],
  ['concurrency', 'maxConcurrency'],
  ['jitter', 'jitterMs'],
  ['immediate', 'runOnStart'],
  ['transaction', 'ScopedTypeOrmModule.forFeature([...], { transaction: true }) in the module'],
]);

function equivalentOf(key: string, value: unknown): string | undefined {
  if (key === 'waitForCompletion' && value === false) return "overlap: 'allow'";
  return EQUIVALENTS.get(key);
}

/** Returns the problem with the `resolution` of a handler or of the module, as a clause. */
export function resolutionProblem(value: unknown): string | undefined {
  return choiceProblem(value, ['compiled', 'nest']);
}

function passes(): undefined {
  return undefined;
}

/** Checks a name, or the factory that returns it. */
function givenNameProblem(value: unknown): string | undefined {
  return isFromProviders(value) ? fromProvidersProblem(value) : nameProblem(value);
}

function timeZoneProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') {
    try {
      new Intl.DateTimeFormat('en', { timeZone: value });
      return undefined;
    } catch {
      // RangeError: this version of Node doesn't know the zone.
    }
  }
  return `must be an IANA time zone such as 'Europe/Berlin' or 'UTC', not ${show(value)}`;
}

function utcOffsetProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 14 * 60)
    return undefined;
  return `must be a whole number of minutes from -840 to 840, not ${show(value)}`;
}

function retryProblem(value: unknown): string | undefined {
  if (!isOptions(value))
    return `must be an object such as { attempts: 3, backoffMs: 1_000 }, not ${show(value)}`;
  const { attempts, backoffMs = 0, jitter = 0, ...others } = value as Record<string, unknown>;
  const unknown = Object.keys(withoutUndefined(others));
  const problems = [
    ...unknown.map((key) => `has no option "${key}"; the options are attempts, backoffMs, jitter`),
    ...named(inheritedProblems(value, ['attempts', 'backoffMs', 'jitter'])),
    ...named({
      attempts: attemptsProblem(attempts),
      backoffMs: typeof backoffMs === 'function' ? undefined : backoffProblem(backoffMs),
      jitter: jitterProblem(jitter),
    }),
  ];
  return problems.length === 0 ? undefined : problems.join('; ');
}

function onceProblem(value: unknown): string | undefined {
  if (typeof value === 'boolean') return undefined;
  if (!isOptions(value)) return `must be true, false or an object, not ${show(value)}`;
  const known = ['dataSource', 'lockTimeoutMs', 'itemKey'];
  const { dataSource, lockTimeoutMs, itemKey } = value as Record<string, unknown>;
  const problems = [
    ...optionsProblems(value, known),
    ...named({
      ...inheritedProblems(value, known),
      ...(dataSource !== undefined && { dataSource: nameProblem(dataSource, false) }),
      ...(lockTimeoutMs !== undefined && { lockTimeoutMs: limitProblem(lockTimeoutMs, 1) }),
      ...(itemKey !== undefined && { itemKey: functionProblem(itemKey) }),
    }),
  ];
  return problems.length === 0 ? undefined : `has invalid options: ${problems.join('; ')}`;
}

function attemptsProblem(value: unknown): string | undefined {
  const problem = countProblem(value);
  return value === 0
    ? `${problem}; 1 means no retry; to disable a schedule, set disabled: true`
    : problem;
}

function backoffProblem(value: unknown): string | undefined {
  const problem = delayProblem(value);
  return problem && `${problem}; it may also be a function that receives the attempt number`;
}

function jitterProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && value >= 0 && value <= 1) return undefined;
  return `must be a number from 0 to 1, not ${show(value)}`;
}
