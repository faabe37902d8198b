import { ALLOWABLE } from '../errors/finding.js';
import { isOptions, show } from '../util/option-checks.js';

/**
 * An intentional finding. The library doesn't report it; the inspector lists it with its reason.
 *
 * @publicApi
 */
export interface Allowance {
  /** The kind of finding, such as `'resource-rebuilt'`, or its number, such as `'SW202'`. */
  readonly finding: string;
  /** The token of the culprit (a class, a string or a symbol), or the `subject` of the finding, such as `'Mailer.send'`. */
  readonly token: Function | string | symbol;
  /** Why the finding is intentional, for the next reader. Must not be empty. */
  readonly reason: string;
}

const KEYS = ['finding', 'token', 'reason'];

/**
 * Returns the problems with `allowFindings`, each as an entry's name and a clause to follow that name. `FindingBook` matches the
 * entries to findings.
 */
export function allowProblems(allowFindings: unknown): [entry: string, problem: string][] {
  if (!Array.isArray(allowFindings))
    return [
      ['allowFindings', `must be a list of { finding, token, reason }, not ${show(allowFindings)}`],
    ];
  return allowFindings.flatMap((entry: unknown, index) =>
    entryProblems(entry).map((problem): [string, string] => [`allowFindings[${index}]`, problem]),
  );
}

function entryProblems(entry: unknown): string[] {
  if (!isOptions(entry)) return [`must be { finding, token, reason }, not ${show(entry)}`];
  const { finding, token, reason } = entry as Record<string, unknown>;
  const problems = Object.keys(entry)
    .filter((key) => !KEYS.includes(key))
    .map((key) => `has the unknown key ${key}; write { finding, token, reason }`);
  if (typeof finding !== 'string' || !ALLOWABLE.has(finding))
    problems.push(findingProblem(finding));
  if (!['function', 'string', 'symbol'].includes(typeof token))
    problems.push(
      `needs the token of the culprit (a class, a string or a symbol), not ${show(token)}`,
    );
  if (typeof reason !== 'string' || reason.trim() === '')
    problems.push(`needs a reason (a sentence for the next reader), not ${show(reason)}`);
  return problems;
}

function findingProblem(finding: unknown): string {
  const kinds = [...ALLOWABLE].filter((name) => !/^SW\d+$/.test(name));
  return `has finding ${show(finding)}, which cannot be allowed; write a number such as "SW202", or one of ${kinds.join(', ')}`;
}
