import {
  functionProblem,
  named,
  nameProblem,
  optionsProblems,
  signalProblem,
} from '../util/option-checks.js';
import { refuseInvalid } from '../errors/errors.js';

/** @throws {InvalidOptionsError} if the options of `registry.run()` are invalid. */
export function checkRun(options: unknown): void {
  refuseInvalid('registry.run()', optionsProblems(options, ['payload']));
}

/** @throws {InvalidOptionsError} if an argument of `registry.exclusive()` is invalid. */
export function checkExclusive(key: unknown, work: unknown, options: unknown): void {
  const { signal } = (options ?? {}) as { signal?: unknown };
  refuseInvalid('registry.exclusive()', [
    ...named({ key: nameProblem(key, false), work: functionProblem(work) }),
    ...optionsProblems(options, ['signal']),
    ...named({ signal: signal === undefined ? undefined : signalProblem(signal) }),
  ]);
}
