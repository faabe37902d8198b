import { types } from 'node:util';
import { isClass, readMember } from './values.js';

/** The longest period, in ms: 2^32 - 2, about 49.7 days, as in .NET's PeriodicTimer. */
export const MAX_PERIOD_MS = 0xffff_fffe;

/** Returns the problem with a period, or undefined; the other checks do the same for their values. */
export function periodProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && value >= 1 && value <= MAX_PERIOD_MS) return undefined;
  return `must be a number of milliseconds from 1 to ${MAX_PERIOD_MS} (49.7 days), not ${show(value)}`;
}

/** The longest wait of one Node timer, in ms: 2^31 - 1, about 24.8 days. */
export const MAX_TIMER_MS = 0x7fff_ffff;

/** Checks a time limit of at least `least` ms. */
export function limitProblem(value: unknown, least: number): string | undefined {
  if (typeof value === 'number' && value >= least && value <= MAX_TIMER_MS) return undefined;
  return `must be a number of milliseconds from ${least} to ${MAX_TIMER_MS} (24.8 days), not ${show(value)}`;
}

export function positiveProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && value > 0 && value < Infinity) return undefined;
  return `must be a number above 0, not ${show(value)}`;
}

export function percentProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && value > 0 && value <= 100) return undefined;
  return `must be a number above 0 and up to 100, not ${show(value)}`;
}

export function delayProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && value >= 0 && value <= MAX_PERIOD_MS) return undefined;
  return `must be a number of milliseconds from 0 to ${MAX_PERIOD_MS} (49.7 days), not ${show(value)}`;
}

export function choiceProblem(value: unknown, choices: readonly string[]): string | undefined {
  if (choices.includes(value as string)) return undefined;
  return `must be one of ${choices.map((choice) => `'${choice}'`).join(', ')}, not ${show(value)}`;
}

export function booleanProblem(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : `must be true or false, not ${show(value)}`;
}

export function countProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return undefined;
  return `must be a whole number of at least 1, not ${show(value)}`;
}

export function isOptions(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the problems with an options object as a whole: its type, or the keys that aren't options. */
export function optionsProblems(options: unknown, known: readonly string[]): string[] {
  if (!isOptions(options))
    return [`options must be an object such as { ${known[0]} }, not ${show(options)}`];
  return Object.entries(options)
    .filter(([key, value]) => value !== undefined && !known.includes(key))
    .map(([key]) => `${key} ${unknownProblem(known, key)}`);
}

/**
 * Returns the problem with each option that the object inherits, such as a getter or a method of its class. Used for options that
 * the library copies: the copy has only own properties, so an inherited option would have no effect.
 */
export function inheritedProblems(
  options: object,
  known: readonly string[],
): Readonly<Record<string, string>> {
  const inherited = known.filter(
    (key) => !Object.hasOwn(options, key) && readMember(options, key) !== undefined,
  );
  return Object.fromEntries(inherited.map((key) => [key, INHERITED]));
}

const INHERITED =
  "is inherited, for example as a getter or method of a class, so it would have no effect. Make it the object's own property, such as a field of the class";

/**
 * Returns the problem with an option that isn't one of `known`. If exactly one of them begins with the key, or is the beginning of
 * the key, suggests that one.
 */
export function unknownProblem(known: readonly string[], key: string): string {
  const [given, ...options] = [key, ...known].map((each) => each.toLowerCase());
  const near = known.filter((_, at) => {
    const option = options[at]!;
    return given!.length > 3 && (option.startsWith(given!) || given!.startsWith(option));
  });
  if (near.length === 1) return `isn't an option; use ${near[0]} instead`;
  const others = known.length === 1 ? 'only option is' : 'options are';
  return `isn't an option; the ${others} ${known.join(', ')}`;
}

/** Puts the name of each argument or option before its problem. */
export function named(problems: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(problems).flatMap(([what, problem]) =>
    problem === undefined ? [] : `${what} ${problem}`,
  );
}

export function functionProblem(value: unknown): string | undefined {
  if (types.isGeneratorFunction(value)) return `must not be ${A_GENERATOR}`;
  return typeof value === 'function' ? undefined : `must be a function, not ${show(value)}`;
}

/** Completes the text of a problem if the value is a generator function: the library would call it, and await the result. */
export const A_GENERATOR =
  'a generator, whose body would never run. Make it async, without the asterisk';

/** Accepts undefined, because every signal is optional. */
export function signalProblem(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return undefined;
  return `must be an AbortSignal, not ${show(value)}`;
}

/** Returns the problem with a name, or undefined. @param isOptional True if there is a default name. */
export function nameProblem(value: unknown, isOptional = true): string | undefined {
  if (typeof value !== 'string') return `must be a string, not ${show(value)}`;
  if (value.trim() === '')
    return `must not be empty${isOptional ? '; omit it to get the default' : ''}`;
  if (value !== value.trim() || /\p{Cc}/u.test(value)) {
    return `must not begin or end with whitespace or contain control characters, as ${show(value)} does`;
  }
  return undefined;
}

export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function')
    return `${isClass(value) ? 'class' : 'function'} ${value.name || '(anonymous)'}`;
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
