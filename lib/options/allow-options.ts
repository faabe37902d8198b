import { show } from '../util/option-checks.js';

/**
 * A finding that is meant so. It is not reported; the inspector lists it with its reason.
 *
 * @publicApi
 */
export interface Allowance {
  /** The kind of the finding, such as `'resource-rebuilt'`, or its number, such as `'SW202'`. */
  readonly finding: string;
  /** The token of the culprit: a class, a string or a symbol; or its name as the finding has it, such as `'Mailer.send'`. */
  readonly token: Function | string | symbol;
  /** Why it is meant so, for whoever reads it next; must not be empty. */
  readonly reason: string;
}

const KEYS = ['finding', 'token', 'reason'];

/**
 * One clause for each thing that is wrong with `allowFindings`, to follow the name of the entry.
 *
 * @param findings what may be allowed, kinds and numbers.
 */
export function allowProblems(
  allowFindings: unknown,
  findings: ReadonlySet<string>,
): [entry: string, problem: string][] {
  if (!Array.isArray(allowFindings))
    return [
      ['allowFindings', `must be a list of { finding, token, reason }, not ${show(allowFindings)}`],
    ];
  return allowFindings.flatMap((entry: unknown, index) =>
    entryProblems(entry, findings).map((problem): [string, string] => [
      `allowFindings[${index}]`,
      problem,
    ]),
  );
}

function entryProblems(entry: unknown, findings: ReadonlySet<string>): string[] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return [`must be { finding, token, reason }, not ${show(entry)}`];
  const { finding, token, reason } = entry as Record<string, unknown>;
  const problems = Object.keys(entry)
    .filter((key) => !KEYS.includes(key))
    .map((key) => `has ${key}, which is no part of it: write { finding, token, reason }`);
  if (typeof finding !== 'string' || !findings.has(finding))
    problems.push(findingProblem(finding, findings));
  if (!['function', 'string', 'symbol'].includes(typeof token))
    problems.push(
      `needs the token of the culprit, a class, a string or a symbol, not ${show(token)}`,
    );
  if (typeof reason !== 'string' || reason.trim() === '')
    problems.push(`needs a reason, a sentence for whoever reads it next, not ${show(reason)}`);
  return problems;
}

function findingProblem(finding: unknown, findings: ReadonlySet<string>): string {
  const kinds = [...findings].filter((name) => !/^SW\d+$/.test(name));
  return `has finding ${show(finding)}, which is none that can be allowed; write the number of one, or ${kinds.join(', ')}`;
}
