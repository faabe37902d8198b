import { Injectable } from '@nestjs/common';
import { ScopeClosedError, TickTimeoutError } from '../errors/index.js';
import type { Slot } from '../schedule/slot.js';
import { runIsolated } from '../scope/ambient.js';
import { idSource } from '../scope/id-source.js';
import { OpenScopes } from '../scope/open-scopes.js';
import { failureOf, type ScopeEnd } from '../scope/scope-end.js';
import type { Scope } from '../scope/scope.js';
import { RunningTicks, type AbortCause } from './running-ticks.js';
import { settle } from './settle.js';
import { TickObserver } from './tick-observer.js';
import { emptyReport, type TickReport } from './tick-report.js';
import { TickSettings } from './tick-settings.js';
import { TickSignal } from './tick-signal.js';
import type { Tick } from './tick.js';
import { judgeEnd, judgeWork, type PhaseError, type WorkVerdict } from './verdict.js';

export const nextTickId = idSource('tick');

const NOTHING_BUILT: ScopeEnd = {
  failure: undefined,
  disposeErrors: [],
  built: 0,
  disposed: 0,
  disposeMs: 0,
};

/**
 * Takes a tick through open, resolve, call, settle, dispose, report. Whatever happens on the way ends in the
 * report: `run` never rejects.
 */
@Injectable()
export class TickRunner {
  constructor(
    private readonly scopes: OpenScopes,
    private readonly running: RunningTicks,
    private readonly settings: TickSettings,
    private readonly observer: TickObserver,
  ) {}

  run(slot: Slot, payload: unknown): Promise<TickReport> {
    const attempt = new TickAttempt(slot, payload, this.observer);
    // It stands among the running ticks first: a listener of its first event may want to cancel it.
    let settle!: () => void;
    const done = new Promise<void>((resolve) => (settle = resolve));
    this.running.add({ tick: attempt.tick, done, abort: (cause) => attempt.abort(cause) });
    const report = this.attempt(attempt).catch((error: unknown) => attempt.brokenReport(error));
    void report.then(settle);
    return report;
  }

  private async attempt(attempt: TickAttempt): Promise<TickReport> {
    const { slot } = attempt;
    const startedAt = performance.now();
    const firedAt = attempt.tick.firedAt;
    const outcome = await this.runInScope(attempt);
    const { end, verdict, value } = outcome;
    const { built, disposed, disposeMs } = end;
    return {
      schedule: slot.schedule.name,
      tickId: attempt.tick.id,
      trigger: slot.trigger,
      scheduledAt: slot.scheduledAt,
      firedAt,
      endedAt: new Date(),
      attempts: 1,
      ...judgeEnd(verdict, end),
      ...(value === undefined ? {} : { value }),
      built,
      disposed,
      durationMs: performance.now() - startedAt,
      disposeMs,
    };
  }

  private async runInScope(
    attempt: TickAttempt,
  ): Promise<{ end: ScopeEnd; verdict: WorkVerdict; value: unknown }> {
    const { schedule } = attempt.slot;
    let scope: Scope;
    try {
      scope = this.scopes.open({
        kind: 'tick',
        request: attempt.tick,
        module: schedule.target.worker.host!,
        schedule: schedule.name,
        tickId: attempt.tick.id,
      });
    } catch (error) {
      return {
        end: NOTHING_BUILT,
        verdict: { outcome: 'failed', thrown: { phase: 'open', error } },
        value: undefined,
      };
    }
    attempt.enter(scope);
    this.observer.tickStarted(attempt.tick);
    const stopTimer = this.startTimeout(attempt);
    let verdict: WorkVerdict | undefined;
    const { work, end } = await runIsolated(scope.ambient, async () => {
      const work = await this.work(attempt, scope);
      const end = await scope.end((workErrors) => {
        stopTimer();
        const late = failureOf(workErrors);
        const thrown = work.thrown ?? (late && { phase: 'handler', error: late.error });
        verdict = judgeWork(thrown, attempt.tick.signal, attempt.abortCause);
        return verdict.thrown;
      });
      return { work, end };
    });
    return { end, verdict: verdict!, value: work.value };
  }

  /** Open, resolve, call, settle. `onOpen` comes before the first `await`: what it enters stays entered. */
  private async work(
    attempt: TickAttempt,
    scope: Scope,
  ): Promise<{ value?: unknown; thrown?: PhaseError }> {
    const { tick } = attempt;
    const { worker, method } = attempt.slot.schedule.target;
    let phase: PhaseError['phase'] = 'open';
    try {
      const opened = this.settings.onOpen?.(scope, tick);
      if (opened !== undefined) await opened;
      tick.signal.throwIfAborted();
      phase = 'resolve';
      const instance = await scope.build<Record<string, (tick: Tick) => unknown>>(worker);
      tick.signal.throwIfAborted();
      if (scope.closed)
        throw new ScopeClosedError(
          scope.id,
          `Scope ${scope.id} was closed before ${tick.schedule} was called.`,
        );
      phase = 'handler';
      if (typeof instance?.[method] !== 'function') throw new TypeError(noHandler(attempt.slot));
      return { value: await settle(instance[method](tick), tick.signal) };
    } catch (error) {
      return { thrown: { phase, error } };
    }
  }

  private startTimeout(attempt: TickAttempt): () => void {
    const { name, options } = attempt.slot.schedule;
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return () => undefined;
    const timer = setTimeout(
      () => attempt.timeOut(new TickTimeoutError(name, timeoutMs)),
      timeoutMs,
    );
    return () => clearTimeout(timer);
  }
}

/** One try at a tick: what can be told to it from outside. */
class TickAttempt {
  readonly tick: Tick & { scope: Scope };
  abortCause: AbortCause | undefined;
  readonly #signal: TickSignal;

  constructor(
    readonly slot: Slot,
    payload: unknown,
    observer: TickObserver,
  ) {
    const schedule = slot.schedule.name;
    const id = nextTickId();
    this.#signal = new TickSignal((error) => observer.abortListenerFailed({ schedule, id }, error));
    this.tick = {
      id,
      schedule,
      trigger: slot.trigger,
      scheduledAt: slot.scheduledAt,
      firedAt: new Date(),
      attempt: 1,
      signal: this.#signal.signal,
      scope: undefined as unknown as Scope,
      payload,
    };
  }

  enter(scope: Scope): void {
    this.tick.scope = scope;
    scope.tick = this.tick;
  }

  abort(cause: AbortCause): void {
    if (this.tick.signal.aborted) return;
    this.abortCause = cause;
    const why = cause === 'shutdown' ? 'the application is shutting down' : 'it was cancelled';
    this.#signal.abort(
      new DOMException(`${this.tick.schedule} was aborted: ${why}.`, 'AbortError'),
    );
  }

  /** The report of a tick that the library itself has let down: even then it is told, and the schedule lives on. */
  brokenReport(error: unknown): TickReport {
    return {
      ...emptyReport(this.slot, this.tick.id),
      attempts: 1,
      outcome: 'failed',
      phase: 'handler',
      error,
    };
  }

  timeOut(error: TickTimeoutError): void {
    this.#signal.abort(error);
  }
}

/** Only a factory can do this: the class itself was looked at when the application started. */
function noHandler({ schedule: { handler, target } }: Slot): string {
  return `${handler}: the factory of ${String(target.worker.name)} gave an object without the method ${target.method}. Let it return an instance of the class.`;
}
