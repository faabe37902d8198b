import {
  functionProblem,
  nameProblem,
  optionsProblems,
  signalProblem,
} from '../checks/option-checks.js';
import { InvalidOptionsError } from '../errors/index.js';

type Problem = readonly [what: string, problem: string | undefined];

/** @throws {InvalidOptionsError} if the options of `registry.run()` are invalid. */
export function checkRun(options: unknown): void {
  refuse('run', optionsProblems(options, ['payload']));
}

/** @throws {InvalidOptionsError} if an argument of `registry.exclusive()` is invalid. */
export function checkExclusive(key: unknown, work: unknown, options: unknown): void {
  const { signal } = (options ?? {}) as { signal?: unknown };
  refuse('exclusive', [
    ['key', nameProblem(key, false)],
    ['work', functionProblem(work)],
    ...optionsProblems(options, ['signal']),
    ['signal', signal === undefined ? undefined : signalProblem(signal)],
  ]);
}

function refuse(method: string, problems: readonly Problem[]): void {
  const sentences = problems.flatMap(([what, problem]) =>
    problem === undefined ? [] : `registry.${method}(): ${what} ${problem}.`,
  );
  if (sentences.length > 0) throw new InvalidOptionsError(sentences);
}
