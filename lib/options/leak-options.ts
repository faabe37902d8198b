import {
  booleanProblem,
  inheritedProblems,
  isOptions,
  limitProblem,
  show,
  unknownProblem,
} from '../util/option-checks.js';
import { withoutUndefined } from '../util/values.js';

/**
 * Options of leak detection, which finds scoped instances that outlive their scope.
 *
 * @publicApi
 */
export interface LeakDetectionOptions {
  /**
   * The share of scopes to follow for `leak:found` and `leak:scope`, chosen at random: more than 0, at most 1. `strict` applies
   * to all scopes.
   *
   * @defaultValue 1
   */
  readonly sample?: number;
  /**
   * How long, in milliseconds, instances may remain reachable after their scope closes. Garbage collections that begin during this
   * time don't count.
   *
   * @defaultValue 10_000
   */
  readonly graceMs?: number;
  /**
   * Throws a `ScopeClosedError` on calls to instances whose scope has closed. For tests and development: the library wraps
   * everything that a scope owns in a proxy.
   *
   * @defaultValue false
   */
  readonly strict?: boolean;
}

const DEFAULTS = {
  sample: 1,
  graceMs: 10_000,
  strict: false,
} as const satisfies LeakDetectionOptions;

const KNOWN = Object.keys(DEFAULTS);

/** Returns the options with every default filled in; undefined if leak detection is off. */
export function resolvedLeakDetection(
  options: LeakDetectionOptions | undefined,
): Required<LeakDetectionOptions> | undefined {
  if (typeof options !== 'object' || options === null) return undefined;
  return { ...DEFAULTS, ...withoutUndefined(options) };
}

/** Returns the problems with `leakDetection`, each as an option's name and a clause to follow that name. */
export function leakDetectionProblems(options: unknown): [option: string, problem: string][] {
  if (options === undefined) return [];
  if (!isOptions(options))
    return [['leakDetection', `must be an object such as { sample: 1 }, not ${show(options)}`]];
  const problems: [string, string | undefined][] = Object.keys(withoutUndefined(options))
    .filter((key) => !KNOWN.includes(key))
    .map((key) => [key, unknownProblem(KNOWN, key)]);
  problems.push(...Object.entries(inheritedProblems(options, KNOWN)));
  const { sample, graceMs, strict } = options as Record<string, unknown>;
  if (sample !== undefined) problems.push(['sample', shareProblem(sample)]);
  if (graceMs !== undefined) problems.push(['graceMs', limitProblem(graceMs, 0)]);
  if (strict !== undefined) problems.push(['strict', booleanProblem(strict)]);
  return problems.flatMap(([key, problem]) =>
    problem === undefined ? [] : [[`leakDetection.${key}`, problem]],
  );
}

function shareProblem(value: unknown): string | undefined {
  if (typeof value === 'number' && value > 0 && value <= 1) return undefined;
  return `must be a number greater than 0 and at most 1, not ${show(value)}`;
}
