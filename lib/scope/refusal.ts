import { ScopeClosedError } from '../errors/index.js';
import type { ScopeNotice } from './scope-observer.js';

/** The error of whoever asks something of a closed scope: to `resolve Mailer`, say. */
export function closedError({ scopeId, schedule }: ScopeNotice, what: string): ScopeClosedError {
  const owner = schedule === undefined ? '' : ` of ${schedule}`;
  return new ScopeClosedError(
    scopeId,
    `Cannot ${what}: scope ${scopeId}${owner} is closed. Await all work before the handler returns, or hand it to scope.waitFor().`,
  );
}

export function nameOfToken(token: unknown): string {
  return typeof token === 'function' ? token.name : String(token);
}
