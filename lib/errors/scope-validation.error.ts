import type { Finding } from './finding.js';
import { StartUpError } from './start-up.error.js';

/**
 * Start-up found more than one kind of thing wrong, or a finding that `scopeValidation` refuses. Carries
 * all of them.
 *
 * @publicApi
 */
export class ScopeValidationError extends StartUpError {
  readonly code = 'SCOPE_VALIDATION';

  constructor(
    /** The same as `problems`, as data. */
    readonly findings: readonly Finding[],
  ) {
    super(
      `Start-up was stopped by ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}; nothing was scheduled:\n` +
        findings
          .map((finding, index) => `  ${index + 1}. [${finding.number}] ${finding.message}`)
          .join('\n'),
      findings.map(({ message }) => message),
    );
  }
}
