import { Injectable, Logger } from '@nestjs/common';
import {
  DuplicateScheduleError,
  InvalidOptionsError,
  InvalidScheduleError,
  ScopeValidationError,
  type ScopedWorkerError,
} from '../errors/index.js';
import type { ScopedWorkerModuleOptions } from '../options/module-options.js';
import type { Finding, FindingKind } from './finding.js';

type Strictness = NonNullable<ScopedWorkerModuleOptions['scopeValidation']>;

/** Findings that nothing can work around: without a readable expression there is no schedule. */
const HOPELESS: readonly FindingKind[] = [
  'invalid-options',
  'invalid-schedule',
  'duplicate-schedule',
];

/** Decides what findings do to start-up. */
@Injectable()
export class StartUpCheck {
  readonly #logger = new Logger('ScopedWorker');

  /** @throws {ScopedWorkerError} once, with everything that stops start-up. Logs the rest, each once. */
  pass(findings: readonly Finding[], strictness: Strictness): void {
    const stopping = findings.filter((finding) => stops(finding, strictness));
    if (stopping.length > 0) throw errorOf(stopping);
    if (strictness === 'off') return;
    for (const finding of findings) this.#logger.warn(finding.message);
  }
}

function stops({ kind, severity }: Finding, strictness: Strictness): boolean {
  if (HOPELESS.includes(kind)) return true;
  if (strictness === 'strict') return severity !== 'notice';
  return strictness === 'error' && severity === 'error';
}

/** Findings of one kind give the error of that kind, mixed ones a `ScopeValidationError`. */
function errorOf(findings: readonly Finding[]): ScopedWorkerError {
  const kinds = new Set(findings.map((finding) => finding.kind));
  const messages = findings.map((finding) => finding.message);
  if (kinds.size === 1 && kinds.has('invalid-options')) return new InvalidOptionsError(messages);
  if (kinds.size === 1 && kinds.has('invalid-schedule')) return new InvalidScheduleError(messages);
  if (kinds.size === 1 && kinds.has('duplicate-schedule'))
    return new DuplicateScheduleError(messages);
  return new ScopeValidationError(findings);
}
