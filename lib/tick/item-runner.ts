import { isPromise } from 'node:util/types';
import { readStacks, combined, isErrorOf } from '../errors/error-parts.js';
import { ScopeClosedError } from '../errors/errors.js';
import { injectedToken } from '../nest/tokens.js';
import type { Slot } from '../schedule/slot.js';
import type { Scope } from '../scope/scope.js';
import { show } from '../util/option-checks.js';
import { ProviderScopeFactory } from './provider-scope-factory.js';
import type { FailureObserver, TickEvents } from './tick-ports.js';
import { TickRunner } from './tick-runner.js';
import { nextTickId, RunningTicks, TickList } from './running-ticks.js';
import { emptyReport, sum, type TickReport } from './tick-report.js';

/** Runs a slot of a schedule with `forEach`: gets the list, then runs a tick for each item. */
export class ItemRunner {
  constructor(
    private readonly runner: TickRunner,
    private readonly failures: FailureObserver,
    private readonly events: TickEvents,
    private readonly scopes: ProviderScopeFactory,
    private readonly running: RunningTicks,
  ) {}

  /**
   * Runs the slot.
   *
   * @returns a summary with the reports of all items. Its outcome is `failed` if items failed, or if the factory threw or returned
   * no list, and `skipped` if the list is empty. Its error combines the errors of the items that failed. The summary has a
   * `reason` if the list was cut short, even if items failed before that.
   */
  async run(slot: Slot): Promise<TickReport> {
    const list = new TickList(slot);
    this.running.add(list);
    const blank = emptyReport(slot, nextTickId(), 'succeeded');
    const startedAt = performance.now();
    const how = await this.runList(list);
    this.running.remove(list);
    const durationMs = performance.now() - startedAt;
    return { ...blank, ...how, endedAt: new Date(), durationMs };
  }

  private async runList(list: TickList): Promise<ListEnd> {
    try {
      // The factory runs in isolation, so that what it puts into AsyncLocalStorage reaches neither the items nor the caller.
      const items = await list.context.runIsolated(() => this.itemsOf(list.slot));
      const reports = await list.context.run(() => this.runAll(items, list));
      return endOf(reports, items.length, list.stopped);
    } catch (error) {
      readStacks(error); // the last report of the schedule keeps the error
      const isRefused = list.isShutDown && isErrorOf(error, ScopeClosedError);
      const outcome = isRefused ? { outcome: 'cancelled', reason: list.stopped } : FAILED;
      return { ...outcome, phase: 'open', error } as ListEnd;
    }
  }

  /** Gets the items in a separate scope, because the list may come from a request-scoped repository. */
  private itemsOf({ schedule }: Slot): Promise<unknown[]> {
    const { inject = [], useFactory } = schedule.options.forEach!;
    const { worker } = schedule.target;
    return this.scopes.run(async (scope) => {
      const injected: unknown[] = [];
      for (const entry of inject)
        injected.push(await (scope as Scope).resolveFor(worker, injectedToken(entry)));
      const list: unknown = await useFactory(...injected);
      if (!isList(list)) throw new TypeError(noList(schedule.handler, list));
      const items: unknown[] = [];
      try {
        for (const item of list) items.push(item);
      } finally {
        // Promises in the list may use this scope, and their rejections must not end the process.
        await Promise.allSettled(items.filter(isPromise));
      }
      if (!items.some(isPromise)) return items;
      throw new TypeError(promisesIn(schedule.handler));
    });
  }

  /** Runs at most `maxConcurrency` items at a time, in the order of the list. */
  private async runAll(items: readonly unknown[], list: TickList): Promise<TickReport[]> {
    const { slot } = list;
    const { maxConcurrency = 1 } = slot.schedule.options;
    // Only the caller of a manual run receives the values of the items.
    const kept = slot.trigger === 'manual' ? (report: TickReport) => report : withoutValue;
    const reports: TickReport[] = [];
    const runOne = async (index: number): Promise<void> => {
      // No local variable: V8 could keep the whole report alive through it.
      reports[index] = kept(await this.runItem(slot, items[index]));
    };
    let next = 0;
    let running = 0;
    await new Promise<void>((done, failed) => {
      const fill = (): void => {
        while (running < maxConcurrency && next < items.length && list.stopped === undefined) {
          running += 1;
          const ended = runOne(next).then(() => (running -= 1));
          next += 1;
          ended.then(fill).catch(failed);
        }
        if (running === 0) done();
      };
      fill();
    });
    return reports;
  }

  private async runItem(slot: Slot, payload: unknown): Promise<TickReport> {
    const report = await this.runner.run(slot, { payload });
    if (report.outcome !== 'succeeded') this.failures.tickFailed(report, slot);
    if (report.outcome === 'skipped') this.events.emit('tick:skipped', report);
    else this.events.emit('tick:finished', report);
    return report;
  }
}

/** The result of a list, for its report. */
type ListEnd = Partial<TickReport> & Pick<TickReport, 'outcome'>;

const FAILED = { outcome: 'failed' } as const;

function endOf(
  items: readonly TickReport[],
  length: number,
  stopped: TickList['stopped'],
): ListEnd {
  const counts = {
    items,
    attempts: sum(items, 'attempts'),
    built: sum(items, 'built'),
    disposed: sum(items, 'disposed'),
    disposeMs: sum(items, 'disposeMs'),
  };
  const cutBy = items.length < length ? (stopped ?? 'paused') : undefined;
  const failed = items.filter(({ outcome }) => outcome === 'failed' || outcome === 'timed-out');
  if (failed.length > 0) {
    const { phase } = failed[0]!;
    return {
      ...FAILED,
      ...(cutBy !== undefined && { reason: cutBy }),
      phase: phase!,
      error: combined(failed.map(({ error }) => error)),
      ...counts,
    };
  }
  const cancelled = items.find(({ outcome }) => outcome === 'cancelled');
  const reason = cutBy ?? cancelled?.reason;
  if (reason !== undefined) return { outcome: 'cancelled', reason, ...counts };
  if (length === 0) return { outcome: 'skipped', reason: 'no-items', ...counts };
  return { outcome: 'succeeded', ...counts };
}

function withoutValue({ value: _value, ...report }: TickReport): TickReport {
  return report;
}

function isList(value: unknown): value is Iterable<unknown> {
  return (
    typeof (value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] === 'function' &&
    typeof value !== 'string'
  );
}

function noList(handler: string, value: unknown): string {
  return `${handler}: the useFactory of forEach must return a list, not ${show(value)}. Return an array: each of its items gets its own tick.`;
}

function promisesIn(handler: string): string {
  return `${handler}: the useFactory of forEach returned a list that contains promises. Return Promise.all() of this list.`;
}
