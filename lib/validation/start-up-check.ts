import { Logger } from '@nestjs/common';
import {
  DuplicateScheduleError,
  InvalidOptionsError,
  InvalidScheduleError,
  ScopeValidationError,
  type StartUpError,
} from '../errors/errors.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
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

  /** Logs each problem that does not stop start-up once. @throws {StartUpError} once, with every problem that does. */
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

/** Returns the error of the kind if all findings are of one kind, otherwise a `ScopeValidationError`. */
function errorOf(findings: readonly Finding[]): StartUpError {
  const kinds = new Set(findings.map((finding) => finding.kind));
  const messages = findings.map((finding) => finding.message);
  if (kinds.size === 1 && kinds.has('invalid-options')) return new InvalidOptionsError(messages);
  if (kinds.size === 1 && kinds.has('invalid-schedule')) return new InvalidScheduleError(messages);
  if (kinds.size === 1 && kinds.has('duplicate-schedule'))
    return new DuplicateScheduleError(messages);
  return new ScopeValidationError(findings);
}

function oneLine([first, ...others]: readonly Finding[]): string | undefined {
  if (first === undefined) return undefined;
  if (others.length === 0) return numbered(first);
  const named = others.slice(0, NAMED_IN_ONE_LINE).map(({ subject }) => subject);
  const unnamed = others.length - named.length;
  const names = unnamed > 0 ? `${named.join(', ')} and ${unnamed} more` : named.join(', ');
  return `${numbered(first)} The same applies to ${names}.`;
}

function numbered({ number, message }: Finding): string {
  return `[${number}] ${message}`;
}
