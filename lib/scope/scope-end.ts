import { combined, leadsTo } from '../errors/error-parts.js';
import { readStacks } from '../errors/error-text.js';
import type { Ledger } from './ledger.js';

/** The steps of a scope that ends. */
export interface EndingScope {
  readonly ledger: Ledger;
  /** Settles `waitFor` work, and builds that were started and not awaited; returns the errors of the work. */
  settleWork(): Promise<readonly unknown[]>;
  readonly disposeTimeoutMs: number;
  /** Returns what receives the error of a disposer that fails after `disposeTimeoutMs`. It doesn't hold the scope. */
  reportsLateFailures(): (error: unknown) => void;
  /** True while `waitFor` work is not settled. */
  readonly hasWork: boolean;
  /** Reports an error of the work that is not why it failed. */
  workFailed(error: unknown): void;
  /** The verdict is final: no build begins any more, and those that have begun are awaited. */
  refuseBuilds(): Promise<void> | undefined;
  /** False spares the end of most scopes a few turns of the microtask queue. */
  readonly hasUnsettledWork: boolean;
  /** From here on nothing joins the ledger. */
  stopAdding(): void;
  /** The last step: the scope is closed. */
  finish(end: ScopeEnd): void;
}

/** Whether the work of a scope has failed; undefined means success. */
export type ScopeVerdict =
  | {
      readonly error: unknown;
      /** Other errors of the work, which nobody else receives. */
      readonly others?: readonly unknown[];
    }
  | undefined;

/** How a scope ended. */
export interface ScopeEnd {
  /** The error that made the work fail, or a failing commit's. */
  readonly failure:
    | {
        readonly error: unknown;
        readonly phase: 'work' | 'commit';
        /** A commit hook failed after another one had returned `'committed'`. */
        readonly hasCommitted?: boolean;
      }
    | undefined;
  /** Errors of rollback hooks and disposers, in the order in which they were called. */
  readonly disposeErrors: readonly unknown[];
  readonly built: number;
  readonly disposed: number;
  readonly disposeMs: number;
}

/**
 * Ends a scope in this order, the same for ticks and for scopes by hand:
 *
 * 1. everything given to `waitFor` settles, and builds still under way;
 * 2. the verdict is asked: from here on it does not change;
 * 3. `onScopeCommit` or `onScopeRollback`, newest first;
 * 4. disposers and `defer`, newest first.
 *
 * No step is left out because of an error in the one before.
 */
export async function concludeScope(
  scope: EndingScope,
  verdict: (workErrors: readonly unknown[]) => ScopeVerdict,
): Promise<ScopeEnd> {
  const { ledger } = scope;
  await Promise.resolve(); // from here on the caller knows that the scope is ending
  let workErrors: readonly unknown[] = [];
  if (scope.hasUnsettledWork) {
    do workErrors = [...(await scope.settleWork())];
    while (scope.hasWork);
  }
  const failed = verdict(workErrors);
  const building = scope.refuseBuilds();
  if (building !== undefined) await building;

  let failure: ScopeEnd['failure'] = failed && { error: failed.error, phase: 'work' };
  for (const error of failed?.others ?? []) scope.workFailed(error);
  const disposeErrors: unknown[] = [];
  if (ledger.hasHooks && failed !== undefined)
    disposeErrors.push(...(await ledger.rollback(failed.error)));
  if (ledger.hasHooks && failed === undefined) {
    const commit = await ledger.commit();
    if (commit.failure !== undefined) failure = { ...commit.failure, phase: 'commit' };
    disposeErrors.push(...commit.rollbackErrors);
  }

  // Work that was added after the verdict, by a hook for example, uses the instances as well.
  while (scope.hasWork) {
    const late = (await scope.settleWork()).slice(workErrors.length);
    workErrors = [...workErrors, ...late];
    disposeErrors.push(...late);
  }

  const startedAt = performance.now();
  scope.stopAdding();
  if (!ledger.isEmpty)
    disposeErrors.push(
      ...(await ledger.dispose(scope.disposeTimeoutMs, scope.reportsLateFailures())),
    );
  const { built, disposed } = ledger;
  const disposeMs = performance.now() - startedAt;
  const end: ScopeEnd = { failure, disposeErrors, built, disposed, disposeMs };
  if (failure !== undefined) readStacks(failure.error);
  for (const error of disposeErrors) readStacks(error);
  scope.finish(end);
  return end;
}

/**
 * The verdict on the errors of work.
 *
 * @param thrown by the work itself; the errors of `waitFor` work are others, unless it is one of them or has them as causes.
 */
export function failureOf(
  workErrors: readonly unknown[],
  thrown?: { readonly error: unknown },
): ScopeVerdict {
  if (thrown === undefined)
    return workErrors.length === 0 ? undefined : { error: combined(workErrors) };
  const others = workErrors.filter((error) => !leadsTo(thrown.error, error));
  return { error: thrown.error, others };
}

/**
 * Throws what went wrong in a scope by hand: one error as it is, several as one `AggregateError`, that of the work first.
 *
 * @param known is not thrown: its receiver made it.
 */
export function throwAll(end: ScopeEnd, known?: unknown): void {
  const errors = end.failure === undefined ? [] : [end.failure.error];
  errors.push(...end.disposeErrors);
  const unknown = errors.filter((error) => known === undefined || error !== known);
  if (unknown.length > 0) throw combined(unknown);
}

/** The work that `waitFor` received. */
export class PendingWork {
  /** In the order in which the work failed. */
  readonly errors: unknown[] = [];
  #pending: Promise<void>[] = [];

  add(work: PromiseLike<unknown>): void {
    const settled = Promise.resolve(work).then(
      () => undefined,
      (error: unknown) => void this.errors.push(error),
    );
    this.#pending.push(settled);
  }

  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Waits for all of it, work that is added meanwhile included. */
  async settle(): Promise<void> {
    while (this.isPending) await Promise.all(this.#pending.splice(0));
  }
}
