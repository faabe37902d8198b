import { readStacks } from '../errors/error-parts.js';
import { Enhancers } from '../nest/index.js';
import type { Slot } from '../schedule/slot.js';
import { OpenScopes } from '../scope/open-scopes.js';
import type { ScopeEnd } from '../scope/scope-ports.js';
import { failureOf, type Scope } from '../scope/scope.js';
import { runAs } from '../scope/work-context.js';
import { runAround, type Refused } from './around.js';
import { NEXT_MICROTASK } from '../util/event-loop.js';
import { isThenable, settle } from '../util/values.js';
import type { TickAttempt } from './tick-attempt.js';
import type { TickEvents, TickFindings, TickSettings } from './tick-ports.js';
import type { AttemptReport } from './tick-report.js';
import type { Tick } from './tick.interface.js';
import { recordIn, recordOf } from './once.js';
import {
  isOfAbort,
  judgeDone,
  judgeEnd,
  judgeHooks,
  judgeWork,
  type Judgement,
  type PhaseError,
} from './verdict.js';
import { WorkerState } from './worker-state.js';

/** The result of an attempt, with the return value of its handler. */
export interface AttemptEnd {
  readonly report: AttemptReport;
  readonly value: unknown;
  /** True if the attempt was aborted from outside before its outcome was decided. */
  readonly isAborted: boolean;
}

interface Work {
  readonly value?: unknown;
  readonly failure?: PhaseError;
}

const NOTHING_BUILT: ScopeEnd = {
  failure: undefined,
  disposeErrors: [],
  built: 0,
  disposed: 0,
  disposeMs: 0,
};

/** Runs one attempt: opens its scope, resolves the worker, calls the handler, waits until it settles, and disposes the scope. */
export class AttemptRunner {
  readonly #state: WorkerState;

  constructor(
    private readonly scopes: OpenScopes,
    private readonly settings: TickSettings,
    private readonly enhancers: Enhancers,
    private readonly events: TickEvents,
    findings: TickFindings,
  ) {
    this.#state = new WorkerState(findings);
  }

  /** Runs one attempt. Never rejects. */
  run(attempt: TickAttempt): Promise<AttemptEnd> {
    const { number, control } = attempt;
    const { id, slot } = attempt.runningTick;
    const { schedule } = slot;
    let scope: Scope;
    const started = (): void => {
      if (number === 1) this.events.emit('tick:started', scope.tick as Tick);
    };
    try {
      const { worker, isStandalone } = schedule.target;
      const { once } = schedule.options;
      if (once !== undefined) attempt.record = recordOf(attempt, once, started);
      scope = this.scopes.open({
        kind: isStandalone === true ? 'standalone-tick' : 'tick',
        requestOf: (opened) => {
          opened.tick = attempt.tickOf(opened);
          return opened.tick;
        },
        module: worker?.host,
        resolution: schedule.options.resolution,
        schedule: schedule.name,
        tickId: id,
      });
    } catch (error) {
      const { cause } = control;
      const judgement = judgeEnd(
        judgeWork({ phase: 'open', error }, control, cause),
        NOTHING_BUILT,
        control,
        cause,
      );
      const report = reportOf(attempt, undefined, NOTHING_BUILT, judgement);
      return Promise.resolve({ report, value: undefined, isAborted: cause !== undefined });
    }
    const tick = scope.tick as Tick;
    const { record } = attempt;
    if (record === undefined) started();
    else recordIn(scope.notice, record);
    control.startTimer();
    return scope.context.runIsolated(() => {
      const run = (refused?: Refused): Promise<AttemptEnd> =>
        this.runInScope(attempt, scope, tick, refused);
      return this.settings.around.length === 0 ? run() : this.runInHooks(attempt, scope, tick, run);
    });
  }

  private async runInHooks(
    attempt: TickAttempt,
    scope: Scope,
    tick: Tick,
    run: (refused?: Refused) => Promise<AttemptEnd>,
  ): Promise<AttemptEnd> {
    const runOnce = async (refused?: Refused) => {
      const ended = await run(refused);
      const { outcome, error } = ended.report;
      return outcome === 'succeeded' || outcome === 'skipped'
        ? { ended, value: ended.value }
        : { ended, value: undefined, failed: { error } };
    };
    // After `next()`, the scope has ended, but a hook is still part of the tick. If the hook waits for a shutdown or for a run of
    // the same schedule, that shutdown or run must not wait for the hook.
    const { around } = this.settings;
    const { attempted, errors } = await runAs(scope, () => runAround(around, tick, runOnce), true);
    const { report, value, isAborted } = attempted.ended;
    const times = { endedAt: new Date(), durationMs: attempt.elapsedMs };
    if (errors.length === 0) return { report: { ...report, ...times }, value, isAborted };
    const { control } = attempt;
    const { cause } = control;
    const judgement = judgeHooks(report, errors, control, cause);
    return {
      report: readErrors({ ...report, ...judgement, ...times }),
      value,
      isAborted: cause !== undefined,
    };
  }

  /**
   * Runs the work in the scope, and then ends the scope.
   *
   * @param refused set if an `around` hook didn't let the work begin.
   */
  private async runInScope(
    attempt: TickAttempt,
    scope: Scope,
    tick: Tick,
    refused: Refused | undefined,
  ): Promise<AttemptEnd> {
    const { control, record } = attempt;
    const { value, failure }: Work =
      refused === undefined
        ? await this.work(attempt, scope, tick)
        : { failure: { phase: 'open', error: refused.error } };
    const end = await scope.end((workErrors) => {
      control.stopTimer();
      record?.begin(); // the attempt may have failed before the library built its connection
      const { cause } = control;
      const { thrown, others } = failureOf(withoutAborts(workErrors, attempt, failure), failure);
      // Without an earlier failure, `thrown` comes from `waitFor` work.
      const failed = failure ?? (thrown && { phase: 'handler', ...thrown });
      const verdict =
        record?.isDone === true ? judgeDone(failed) : judgeWork(failed, control, cause);
      // No spread: a copy with more properties would cost more than creating the scope.
      return {
        outcome: verdict.outcome,
        reason: verdict.reason,
        thrown: verdict.thrown,
        others,
        isAborted: cause !== undefined,
      };
    });
    const report = reportOf(
      attempt,
      scope.id,
      end,
      judgeEnd(end.verdict, end, control, control.cause),
    );
    return { report, value, isAborted: end.verdict.isAborted };
  }

  /**
   * Takes the attempt through the stages open, resolve, call and settle. `onOpen` runs before the first `await`, so an
   * AsyncLocalStorage store that it enters stays active.
   */
  private async work(
    { runningTick: { slot }, control, record }: TickAttempt,
    scope: Scope,
    tick: Tick,
  ): Promise<Work> {
    let phase: PhaseError['phase'] = 'open';
    let look: ReturnType<WorkerState['begin']>;
    try {
      const opened = this.settings.onOpen?.(tick);
      const { worker, method, isBare, call } = slot.schedule.target;
      // Building the worker might not require a promise, but constructors must not run on the stack of the code that starts the
      // tick.
      if (opened !== undefined || worker !== undefined) await (opened ?? NEXT_MICROTASK);
      control.throwIfAborted();
      if (worker === undefined) {
        phase = 'handler';
        return { value: await settle(call(tick), tick) };
      }
      phase = 'resolve';
      const built = scope.build<Record<string, unknown>>(worker);
      const instance = isThenable(built) ? await built : built;
      control.throwIfAborted();
      record?.begin();
      phase = 'handler';
      const handler = instance?.[method];
      if (typeof handler !== 'function') throw new TypeError(noHandler(slot));
      if (this.settings.stateDetection) look = this.#state.begin(slot.schedule.target, instance);
      if (isBare) return { value: await settle(handler.call(instance), tick) };
      const result = this.enhancers.call({
        instance,
        method,
        called: handler,
        worker,
        args: [tick],
        scope,
        withGlobal: this.settings.globalEnhancers,
        tick,
        hold: (work) => scope.waitFor(work),
      });
      return { value: await result };
    } catch (error) {
      return { failure: { phase, error } };
    } finally {
      look?.end();
    }
  }
}

/**
 * Returns the errors of `waitFor` work without those of work that stops because of the abort. If the handler hasn't failed and there
 * are no other errors, keeps the first one, which decides the outcome.
 */
function withoutAborts(
  workErrors: readonly unknown[],
  { control }: TickAttempt,
  failure: PhaseError | undefined,
): readonly unknown[] {
  if (workErrors.length === 0 || !control.aborted) return workErrors;
  const others = workErrors.filter((error) => !isOfAbort(error, control, control.cause));
  return failure === undefined && others.length === 0 ? workErrors.slice(0, 1) : others;
}

function reportOf(
  attempt: TickAttempt,
  scopeId: string | undefined,
  { built, disposed, disposeMs }: ScopeEnd,
  judgement: Judgement,
): AttemptReport {
  const { outcome, disposeErrors } = judgement;
  const report: AttemptReport = {
    attempt: attempt.number,
    scopeId,
    startedAt: attempt.startedAt,
    endedAt: new Date(),
    outcome,
    disposeErrors,
    built,
    disposed,
    durationMs: attempt.elapsedMs,
    disposeMs,
  };
  return outcome === 'succeeded' ? report : readErrors(Object.assign(report, judgement));
}

/** Reads the stacks of a report's errors, so that these errors keep no instance of the scope alive. */
function readErrors(report: AttemptReport): AttemptReport {
  if (report.error !== undefined) readStacks(report.error);
  for (const error of report.disposeErrors) readStacks(error);
  return report;
}

/** Returns the text of an error that only `useFactory` and `useValue` can cause: start-up has already checked the class itself. */
function noHandler({ schedule: { handler, target } }: Slot): string {
  return `${handler}: the provider of ${String(target.worker?.name)} is an object without the method ${target.method}. Provide an instance of the class.`;
}
