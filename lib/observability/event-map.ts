import type { TickReport } from '../execution/tick-report.js';
import type { Tick } from '../execution/tick.js';
import type { ScopeEndNotice, ScopeNotice } from '../scope/scope-observer.js';

/** A schedule was changed at run time. */
export interface ScheduleChange {
  readonly schedule: string;
  readonly change: 'paused' | 'resumed';
}

/** The shutdown has begun: what it waits for. */
export interface ShutdownStart {
  /** Schedule names with tick ids, and scopes by hand. */
  readonly waitingFor: readonly string[];
}

/** The shutdown waits no longer. */
export interface ShutdownEnd {
  readonly waitedMs: number;
  /** What had not ended when the time was up, or a second signal came. */
  readonly abandoned: readonly string[];
  /** Scopes from `ProviderScopeFactory.open()` that nobody had closed; the shutdown disposed them. */
  readonly leftOpen: readonly string[];
}

/** Something of the application failed where nobody waits for it. */
export interface StrayFailure {
  readonly where: 'abort-listener' | 'late-disposer' | 'engine';
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  readonly error: unknown;
}

/**
 * The events of the library, `noun:verb`, with what each carries.
 *
 * @publicApi
 */
export interface ScopedWorkerEventMap {
  'tick:started': Tick;
  'tick:finished': TickReport;
  'tick:skipped': TickReport;
  'scope:opened': ScopeNotice;
  'scope:closed': ScopeEndNotice;
  'schedule:changed': ScheduleChange;
  'shutdown:started': ShutdownStart;
  'shutdown:finished': ShutdownEnd;
  'failure:stray': StrayFailure;
}
