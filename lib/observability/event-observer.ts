import type { TickObserver } from '../execution/tick-observer.js';
import type { TickReport, TickRetry } from '../execution/tick-report.js';
import type { Tick } from '../execution/tick.js';
import type { ScopeEndNotice, ScopeNotice, ScopeObserver } from '../scope/scope-observer.js';
import type { StrayFailure } from './event-map.js';
import type { NestWrapper } from '../nest/index.js';
import { Review } from '../validation/review.js';
import { ScopedWorkerEvents } from './scoped-worker-events.js';

/** Turns what execution and scopes tell into events. */
export class EventObserver implements TickObserver, ScopeObserver {
  constructor(
    private readonly events: ScopedWorkerEvents,
    private readonly review: Review,
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

  abortListenerFailed(tick: TickName, error: unknown): void {
    this.stray('abort-listener', tick, error);
  }

  backoffFailed(tick: TickName, error: unknown): void {
    this.stray('retry-backoff', tick, error);
  }

  scopeOpened(notice: () => ScopeNotice): void {
    if (this.events.isHeard('scope:opened')) this.events.emit('scope:opened', notice());
  }

  scopeClosed(notice: () => ScopeEndNotice): void {
    if (this.events.isHeard('scope:closed')) this.events.emit('scope:closed', notice());
  }

  workFailed({ schedule, tickId }: ScopeNotice, error: unknown): void {
    this.events.emit('failure:stray', { where: 'wait-for', schedule, tickId, error });
  }

  lateDisposeFailed({ schedule, tickId }: ScopeNotice, error: unknown): void {
    this.events.emit('failure:stray', { where: 'late-disposer', schedule, tickId, error });
  }

  handedOut(wrapper: NestWrapper): void {
    const finding = this.review.handedOut(wrapper);
    if (finding !== undefined) this.events.emit('finding:reported', finding);
  }

  stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void {
    const finding = this.review.stateLeft(worker, method, fields);
    if (finding !== undefined) this.events.emit('finding:reported', finding);
  }

  private stray(where: StrayFailure['where'], { schedule, id }: TickName, error: unknown): void {
    this.events.emit('failure:stray', { where, schedule, tickId: id, error });
  }
}

type TickName = Pick<Tick, 'schedule' | 'id'>;
