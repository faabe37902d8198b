import type { ScopeClosedError } from '../errors/errors.js';
import type { TickOverrun, TickReport, TickRetry } from '../tick/tick-report.js';
import type { DeadLetter } from '../schedule/consumer-options.js';
import type { Tick } from '../tick/tick.interface.js';
import type { MemoryCheck, MemoryCrossing } from '../memory/memory-threshold.js';
import type { Finding } from '../errors/finding.js';
import type { StrayFailure } from '../errors/stray-failure.interface.js';
import type { ScopeEndNotice, ScopeNotice } from '../scope/scope-ports.js';

/** A schedule was changed at run time. */
export interface ScheduleChange {
  readonly schedule: string;
  readonly change: 'paused' | 'resumed' | 'added' | 'removed' | 'rescheduled';
}

/** The shutdown has started. */
export interface ShutdownStart {
  /** The names of the work that the shutdown waits for: ticks, messages, background workers, and standalone scopes. */
  readonly waitingFor: readonly string[];
}

/** The shutdown has stopped waiting: the drain is over, or the last shutdown hook has run. */
export interface ShutdownEnd {
  readonly waitedMs: number;
  /** The names of work that hadn't finished at the timeout, or when a second signal arrived. */
  readonly abandoned: readonly string[];
  /** The names of scopes from `ProviderScopeFactory.open()` that were left open; the shutdown disposed these scopes. */
  readonly leftOpen: readonly string[];
}

/** A background worker's `execute` threw or rejected. */
export interface BackgroundFailure {
  /** The `name` of the `BackgroundWorker`, with a number if several have the same name. */
  readonly worker: string;
  readonly error: unknown;
  /** Milliseconds until the library calls `execute` again; undefined if it doesn't. */
  readonly restartInMs: number | undefined;
}

/** A background worker's `execute` returned while the application was running. The library doesn't call it again. */
export interface BackgroundEnd {
  readonly worker: string;
}

/** A message source threw, ended, or couldn't be opened. */
export interface SourceFailure {
  /** The name of the consumer. */
  readonly schedule: string;
  /** The error of the source; undefined if the source ended without one. */
  readonly error: unknown;
  /** Milliseconds until the library opens the source again. */
  readonly reopenInMs: number;
}

/** Instances of a closed scope are still reachable after `graceMs` and three full garbage collections. */
export interface LeakFound {
  /** The schedule for which the instances were built; undefined for standalone scopes. */
  readonly schedule: string | undefined;
  /** The class, or the token of a factory that returned a plain object. */
  readonly className: string;
  /** The number of live instances of this class and schedule that have outlived their scopes. */
  readonly count: number;
  /** The tick of the oldest instance; undefined for a standalone scope. */
  readonly tickId: string | undefined;
  /** The scope of the oldest instance. */
  readonly scopeId: string;
  /** Milliseconds since the scope of the oldest instance closed. */
  readonly ageMs: number;
  /** The line that opened the scope of the oldest instance, if that is a standalone scope. */
  readonly place: string | undefined;
}

/** Code dropped a scope from `ProviderScopeFactory.open()` without closing it, so no code can close it anymore. */
export interface LeakedScope {
  readonly scopeId: string;
  /** The line that opened the scope; undefined if the stack doesn't show it. */
  readonly place: string | undefined;
  readonly openedAt: Date;
  /** Milliseconds since the scope was opened. */
  readonly ageMs: number;
}

/** Code called a method of an instance whose scope had closed; the library refused the call. */
export interface LateCall {
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  readonly scopeId: string;
  readonly className: string;
  readonly method: string;
  /** The error that the caller received. Its stack shows the call; the stack of its `cause` shows where the scope closed. */
  readonly error: ScopeClosedError;
}

/**
 * Maps each event, named `noun:verb`, to its payload.
 *
 * @publicApi
 */
export interface ScopedWorkerEventMap {
  /** A tick has fired. Its scope is open, and nothing has been built in it yet. */
  'tick:started': Tick;
  /** A tick has finished: its scope is disposed, and the report is complete. */
  'tick:finished': TickReport;
  /** No tick ran for a slot, and no worker was built. `reason` says why. */
  'tick:skipped': TickReport;
  /** An attempt failed or timed out, its scope is disposed, and another attempt follows. */
  'tick:retrying': TickRetry;
  /** An attempt is still running 5 seconds after its `timeoutMs`: its work, such as the handler, hasn't settled. */
  'tick:overrun': TickOverrun;
  /** A scope has opened. Nothing has been built in it yet. */
  'scope:opened': ScopeNotice;
  /** A scope has closed: everything that it owned is disposed. */
  'scope:closed': ScopeEndNotice;
  /** A schedule was paused, resumed, added, removed or rescheduled at run time. */
  'schedule:changed': ScheduleChange;
  /** The library found a problem while a tick ran (SW205, SW209). Start-up findings are logged or thrown instead. */
  'finding:reported': Finding;
  /** A background worker's `execute()` threw or rejected. */
  'background:failed': BackgroundFailure;
  /** A background worker's `execute()` returned while the application was running. The library doesn't call it again. */
  'background:ended': BackgroundEnd;
  /** A message source threw, ended, or couldn't be opened. The library opens it again. */
  'source:failed': SourceFailure;
  /** A message became a dead letter: `deadLetter`, or the source, has put it aside. */
  'message:dead': DeadLetter;
  /** Instances of a closed scope are still reachable. Needs `leakDetection`. */
  'leak:found': LeakFound;
  /** Code dropped a standalone scope without closing it. Needs `leakDetection`. */
  'leak:scope': LeakedScope;
  /** The library refused a call to an instance of a closed scope. Needs `leakDetection` with `strict`. */
  'leak:call': LateCall;
  /** The library has checked the memory use. Needs `memory`. */
  'memory:sampled': MemoryCheck;
  /** Memory has reached `warnAtMb` or `warnAtPercent`. */
  'memory:warning': MemoryCrossing;
  /** Memory has fallen more than 5% below the warning threshold. */
  'memory:recovered': MemoryCrossing;
  /** Memory has reached `stopAtMb` or `stopAtPercent`, and the application shuts down. */
  'memory:stopping': MemoryCrossing;
  /**
   * The shutdown has begun: the triggers have stopped, but nothing has been aborted yet. The library awaits the promises that
   * listeners return.
   */
  'shutdown:started': ShutdownStart;
  /** The drain is over. The `onModuleDestroy` hooks of the application run after this event. */
  'shutdown:finished': ShutdownEnd;
  /** The last shutdown hook of the application has run, and all scopes are closed. */
  'shutdown:closed': ShutdownEnd;
  /** An error occurred that doesn't make a tick fail. `where` says where. */
  'failure:stray': StrayFailure;
}
