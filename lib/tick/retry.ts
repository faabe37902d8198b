import type { RetryOptions } from '../schedule/handler-options.js';
import { show } from '../util/option-checks.js';
import { isThenable } from '../util/values.js';
import type { AttemptReport } from './tick-report.js';

/**
 * Returns true if one more attempt may help. An attempt that was cancelled, or whose work is committed, isn't retried. An attempt
 * that failed in an `around` hook is retried, because its work is lost if the hook managed the transaction. Only the hook knows
 * whether it did.
 */
export function isWorthRetrying(
  { outcome, phase, isPartlyCommitted, attempt }: AttemptReport,
  { attempts }: RetryOptions,
): boolean {
  const hasFailed = outcome === 'failed' || outcome === 'timed-out';
  return hasFailed && phase !== 'dispose' && !isPartlyCommitted && attempt < attempts;
}

/**
 * Returns the wait before the next attempt, in milliseconds.
 *
 * @throws the error of `backoffMs`, or an Error if it doesn't return a number of milliseconds.
 */
export function retryWaitMs(
  { backoffMs, jitter }: Required<RetryOptions>,
  attempt: number,
): number {
  const waitMs: unknown = typeof backoffMs === 'function' ? backoffMs(attempt) : backoffMs;
  if (typeof waitMs === 'number' && Number.isFinite(waitMs) && waitMs >= 0)
    return waitMs * (1 - jitter * Math.random());
  if (isThenable(waitMs)) waitMs.then(undefined, () => undefined); // its error must not end the process
  throw new Error(
    `retry.backoffMs must return a non-negative number of milliseconds, not ${show(waitMs)}.`,
  );
}
