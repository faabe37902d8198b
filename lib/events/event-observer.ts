import type { TickObserver } from '../tick/tick-ports.js';
import type { TickReport, TickRetry } from '../tick/tick-report.js';
import type { Tick } from '../tick/tick.interface.js';
import type { ScopeEndNotice, ScopeNotice, ScopeObserver } from '../scope/scope-ports.js';
import type { StrayFailure } from './event-map.js';
import type { NestWrapper } from '../nest/index.js';
import { FindingBook } from '../validation/finding-book.js';
import { ScopedWorkerEvents } from './scoped-worker-events.js';

/** Emits events for the reports of ticks and scopes. */
export class EventObserver implements TickObserver, ScopeObserver {
  constructor(
    private readonly events: ScopedWorkerEvents,
    private readonly findings: FindingBook,
  ) {}

  tickStarted(tick: Tick): void {
    this.events.emit('tick:started', tick);
  }

  tickFinished(report: TickReport): void {
    this.events.emit('tick:finished', report);
  }

  tickSkipped(report: TickReport): void {
    this.events.emit('tick:skipped', report);
  }

  tickRetrying(retry: TickRetry): void {
    this.events.emit('tick:retrying', retry);
  }

  scopeOpened(notice: () => ScopeNotice): void {
    if (this.events.isHeard('scope:opened')) this.events.emit('scope:opened', notice());
  }

  scopeClosed(notice: () => ScopeEndNotice): void {
    if (this.events.isHeard('scope:closed')) this.events.emit('scope:closed', notice());
  }

  sharedByFactory(wrapper: NestWrapper): void {
    const finding = this.findings.sharedByFactory(wrapper);
    if (finding !== undefined) this.events.emit('finding:reported', finding);
  }

  stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void {
    const finding = this.findings.stateLeft(worker, method, fields);
    if (finding !== undefined) this.events.emit('finding:reported', finding);
  }

  strayFailed(
    where: StrayFailure['where'],
    { schedule, tickId }: Pick<ScopeNotice, 'schedule' | 'tickId'>,
    error: unknown,
  ): void {
    this.events.emit('failure:stray', { where, schedule, tickId, error });
  }
}
