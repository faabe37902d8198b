import type { Finding } from '../findings/finding.js';
import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * Start-up found more than one kind of thing wrong, or a finding that `scopeValidation` refuses. Carries
 * all of them.
 *
 * @publicApi
 */
export class ScopeValidationError extends ScopedWorkerError {
  readonly code = 'SCOPE_VALIDATION';

  constructor(readonly findings: readonly Finding[]) {
    super(
      `Start-up was stopped by ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}; nothing was scheduled:\n` +
        findings
          .map((finding, index) => `  ${index + 1}. [${finding.number}] ${finding.message}`)
          .join('\n'),
    );
  }
}
