import {
  booleanProblem,
  choiceProblem,
  delayProblem,
  nameProblem,
  limitProblem,
  show,
} from './option-checks.js';

type Check = (value: unknown) => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  name: nameProblem,
  disabled: booleanProblem,
  timeZone: timeZoneProblem,
  utcOffset: utcOffsetProblem,
  overlap: (value) => choiceProblem(value, ['skip', 'allow', 'buffer-one']),
  timeoutMs: (value) => limitProblem(value, 1),
  onFailure: (value) => choiceProblem(value, ['continue', 'pause', 'stop-app']),
  initialDelayMs: delayProblem,
  jitterMs: delayProblem,
  runOnStart: booleanProblem,
  fixedDelay: booleanProblem,
};

/**
 * Says what is wrong with one layer of handler options: an unknown option, a bad value, two that exclude
 * each other. One clause for each, to follow the name of the culprit.
 */
export function handlerOptionProblems(
  options: unknown,
  { also = [], without = [] }: { also?: readonly string[]; without?: readonly string[] } = {},
): string[] {
  if (options === undefined) return [];
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    return [`options must be an object, not ${show(options)}`];
  const problems: string[] = [];
  const known = [...also, ...Object.keys(CHECKS).filter((key) => !without.includes(key))];
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || also.includes(key)) continue;
    const check = Object.hasOwn(CHECKS, key) && !without.includes(key) ? CHECKS[key] : undefined;
    if (key === 'name' && without.includes(key)) {
      problems.push(
        'cannot have a name: every schedule has its own name, which its decorator gives',
      );
      continue;
    }
    if (check === undefined) {
      problems.push(`has an unknown option "${key}"; the options are ${known.join(', ')}`);
      continue;
    }
    const problem = check(value);
    if (problem !== undefined) problems.push(`${key} ${problem}`);
  }
  const { timeZone, utcOffset } = options as { timeZone?: unknown; utcOffset?: unknown };
  if (timeZone !== undefined && utcOffset !== undefined) {
    problems.push('has both timeZone and utcOffset; keep one of them');
  }
  return problems;
}

function timeZoneProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') {
    try {
      new Intl.DateTimeFormat('en', { timeZone: value });
      return undefined;
    } catch {
      // RangeError: the zone is unknown to this Node.
    }
  }
  return `must be an IANA time zone such as 'Europe/Berlin' or 'UTC', not ${show(value)}`;
}

function utcOffsetProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 14 * 60)
    return undefined;
  return `must be a whole number of minutes from -840 to 840, not ${show(value)}`;
}
