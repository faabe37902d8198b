import {
  type Abortable,
  isAbortError,
  isEach,
  isErrorOf,
  combined,
} from '../errors/error-parts.js';
import { ScopeClosedError, TickTimeoutError } from '../errors/errors.js';
import type { ScopeEnd } from '../scope/scope-ports.js';
import type { AbortCause, AttemptReport, TickOutcome, TickPhase } from './tick-report.js';

/** The part of a report that describes the outcome. */
export type Judgement = Pick<
  AttemptReport,
  'outcome' | 'reason' | 'phase' | 'error' | 'disposeErrors' | 'isPartlyCommitted'
>;

/** An error with the phase in which it occurred. */
export interface PhaseError {
  readonly phase: TickPhase;
  readonly error: unknown;
}

/** The decision, made before commit and disposal, on whether to keep a tick's work. */
export interface WorkVerdict {
  readonly outcome: TickOutcome;
  readonly reason?: AttemptReport['reason'];
  readonly thrown?: PhaseError | undefined;
}

/** The signal of a tick or of a background worker. */
interface Aborted extends Abortable {
  /** True if a shutdown refuses further builds to work that was aborted before for another reason. */
  readonly isShutDown?: boolean;
}

/**
 * Judges the work of a tick once the handler and `waitFor` work have settled.
 *
 * A tick that has reached its `timeoutMs` has timed out, regardless of what its handler did later. An abort error counts as a
 * cancellation only when the tick was aborted; without an abort, it is a failure like any other. A handler that returns normally
 * after an abort from outside has succeeded.
 */
export function judgeWork(
  thrown: PhaseError | undefined,
  signal: Aborted,
  cause: AbortCause | undefined,
): WorkVerdict {
  const reason: unknown = signal.reason;
  // If `cause` is set, the tick was aborted from outside, maybe by the timeout of an outer tick.
  if (signal.aborted && cause === undefined && reason instanceof TickTimeoutError) {
    const isOther = thrown !== undefined && !isOfAbort(thrown.error, signal, undefined);
    const error = isOther
      ? new TickTimeoutError(reason.schedule, reason.timeoutMs, { cause: thrown.error })
      : reason;
    return { outcome: 'timed-out', thrown: { phase: thrown?.phase ?? 'handler', error } };
  }
  if (thrown === undefined) return { outcome: 'succeeded' };
  if (cause !== undefined && isOfAbort(thrown.error, signal, cause))
    return { outcome: 'cancelled', reason: cause, thrown };
  return { outcome: 'failed', thrown };
}

/** Judges an attempt whose work another run has done: the attempt is rolled back, and isn't a failure. */
export function judgeDone(thrown: PhaseError | undefined): WorkVerdict {
  const error = new Error('Another run has already done this work.');
  return {
    outcome: 'skipped',
    reason: 'already-done',
    thrown: thrown ?? { phase: 'handler', error },
  };
}

/**
 * Decides the outcome of an attempt, taking into account how its scope ended. A commit hook that stops because of an abort makes the
 * attempt count as cancelled, unless another hook has committed.
 */
export function judgeEnd(
  work: WorkVerdict,
  end: ScopeEnd,
  signal: Aborted,
  cause: AbortCause | undefined,
): Judgement {
  const { disposeErrors } = end;
  if (work.outcome === 'skipped')
    return { outcome: work.outcome, reason: work.reason!, disposeErrors };
  if (work.thrown !== undefined) {
    const { phase, error } = work.thrown;
    const reason = work.reason === undefined ? {} : { reason: work.reason };
    return { outcome: work.outcome, ...reason, phase, error, disposeErrors };
  }
  if (end.failure !== undefined) {
    const { error, hasCommitted } = end.failure;
    if (hasCommitted !== true && cause !== undefined && isAbortError(error, signal))
      return { outcome: 'cancelled', reason: cause, phase: 'commit', error, disposeErrors };
    const partly = hasCommitted === true ? { isPartlyCommitted: true as const } : {};
    return { outcome: 'failed', phase: 'commit', ...partly, error, disposeErrors };
  }
  if (disposeErrors.length > 0)
    return { outcome: 'failed', phase: 'dispose', error: combined(disposeErrors), disposeErrors };
  return { outcome: work.outcome, disposeErrors };
}

/**
 * Decides the outcome of an attempt, taking into account the errors that `around` hooks threw after the attempt had begun. The
 * first error makes a successful attempt count as failed or cancelled, even if its scope has committed: the hook may have rolled
 * back a transaction around the scope.
 *
 * @param errors the errors of the hooks; at least one.
 */
export function judgeHooks(
  attempt: Judgement,
  errors: readonly unknown[],
  signal: Aborted,
  cause: AbortCause | undefined,
): Judgement {
  if (attempt.outcome !== 'succeeded' && attempt.outcome !== 'skipped')
    return { ...attempt, disposeErrors: [...attempt.disposeErrors, ...errors] };
  const [error, ...others] = errors;
  const { outcome, reason } = judgeWork({ phase: 'around', error }, signal, cause);
  const because = reason === undefined ? {} : { reason };
  return { outcome, ...because, phase: 'around', error, disposeErrors: others };
}

/**
 * Returns true for an error that ends work because the work was aborted, and for an `AggregateError` that contains only such errors.
 * Such work behaves correctly.
 */
export function isOfAbort(error: unknown, signal: Aborted, cause: AbortCause | undefined): boolean {
  return isEach(error, (part) =>
    isAbortError(part, signal)
      ? signal.aborted
      : cause !== undefined && isRefusal(part, signal, cause),
  );
}

/** Returns true if the shutdown refused to build an instance, which counts as an abort of the tick. */
function isRefusal(error: unknown, { isShutDown }: Aborted, cause: AbortCause): boolean {
  return (cause === 'shutdown' || isShutDown === true) && isErrorOf(error, ScopeClosedError);
}
