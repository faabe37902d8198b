import { Logger } from '@nestjs/common';
import {
  DuplicateScheduleError,
  InvalidOptionsError,
  InvalidScheduleError,
  ScopeValidationError,
  type StartUpError,
} from '../errors/errors.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
import { listed } from './tick-graph.js';
import { HOPELESS, type Finding, type FindingKind } from '../errors/finding.js';

/** Kinds whose findings share one log line. */
const SAME_FOR_ALL: ReadonlySet<FindingKind> = new Set<FindingKind>([
  'worker-not-provided',
  'scope-not-needed',
]);

const NAMED_IN_ONE_LINE = 8;

type Strictness = NonNullable<ScopedWorkerModuleOptions['scopeValidation']>;

/** Decides which findings stop start-up. */
export class StartUpCheck {
  readonly #logger = new Logger('ScopedWorker');

  /** Logs each problem that doesn't stop start-up. @throws {StartUpError} with every problem that does. */
  pass(findings: readonly Finding[], strictness: Strictness): void {
    const stopping = findings.filter((finding) => stops(finding, strictness));
    if (strictness !== 'off') this.log(findings.filter((finding) => !stopping.includes(finding)));
    if (stopping.length > 0) throw errorOf(stopping);
  }

  private log(findings: readonly Finding[]): void {
    for (const finding of findings) {
      const { kind, severity } = finding;
      if (SAME_FOR_ALL.has(kind)) continue;
      if (severity === 'info') this.#logger.log(numbered(finding));
      else this.#logger.warn(numbered(finding));
    }
    for (const kind of SAME_FOR_ALL) {
      const line = oneLine(findings.filter((finding) => finding.kind === kind));
      if (line !== undefined) this.#logger.log(line);
    }
  }
}

function stops({ kind, severity }: Finding, strictness: Strictness): boolean {
  if (HOPELESS.has(kind)) return true;
  if (strictness === 'strict') return severity !== 'info';
  return strictness === 'error' && severity === 'error';
}

const ERRORS: Partial<Record<FindingKind, new (problems: readonly string[]) => StartUpError>> = {
  'invalid-options': InvalidOptionsError,
  'invalid-schedule': InvalidScheduleError,
  'duplicate-schedule': DuplicateScheduleError,
};

/** Returns a kind's own error if all findings are of that kind; otherwise, a `ScopeValidationError`. */
function errorOf(findings: readonly Finding[]): StartUpError {
  const [kind, ...others] = new Set(findings.map((finding) => finding.kind));
  const ErrorOfKind = others.length === 0 ? ERRORS[kind!] : undefined;
  return ErrorOfKind === undefined
    ? new ScopeValidationError(findings)
    : new ErrorOfKind(findings.map(({ message }) => message));
}

function oneLine([first, ...others]: readonly Finding[]): string | undefined {
  if (first === undefined) return undefined;
  if (others.length === 0) return numbered(first);
  const names = others.map(({ subject }) => subject);
  return `${numbered(first)} The same applies to ${listed(names, NAMED_IN_ONE_LINE)}.`;
}

function numbered({ number, message }: Finding): string {
  return `[${number}] ${message}`;
}
