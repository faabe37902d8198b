import { ScopeClosedError } from '../errors/errors.js';
import type { ScopeNotice } from './scope-ports.js';

/**
 * The error of whoever asks something of a closed scope: to `resolve Mailer`, say.
 *
 * @param cause where the scope was closed, when that is known.
 */
export function closedError(
  { scopeId, schedule, tickId }: ScopeNotice,
  what: string,
  cause?: Error,
): ScopeClosedError {
  const owner = schedule === undefined ? '' : ` of ${schedule} (${tickId})`;
  return new ScopeClosedError(
    scopeId,
    `Cannot ${what}: scope ${scopeId}${owner} is closed. Await all work before the handler returns, or hand it to scope.waitFor().`,
    cause === undefined ? undefined : { cause },
  );
}
