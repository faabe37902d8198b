import type { ScopeClosedError } from '../errors/errors.js';
import type { TickReport, TickRetry } from '../tick/tick-report.js';
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
  /** The work that the shutdown waits for: schedule names with tick ids, and scopes by hand. */
  readonly waitingFor: readonly string[];
}

/** The shutdown has stopped waiting: the drain is over, or the last shutdown hook has run. */
export interface ShutdownEnd {
  readonly waitedMs: number;
  /** The names of work that had not finished at the timeout, or when a second signal arrived. */
  readonly abandoned: readonly string[];
  /** Scopes from `ProviderScopeFactory.open()` that were left open; the shutdown disposed them. */
  readonly leftOpen: readonly string[];
}

/** `execute` of a background worker threw or rejected. */
export interface BackgroundFailure {
  /** The `name` of the `BackgroundWorker`, with a number if several have the same name. */
  readonly worker: string;
  readonly error: unknown;
  /** Milliseconds until the library calls it again; undefined if it doesn't. */
  readonly restartInMs: number | undefined;
}

/** `execute` of a background worker returned while the application runs. The library doesn't call it again. */
export interface BackgroundEnd {
  readonly worker: string;
}

/** A source of messages threw, ended, or could not be opened. */
export interface SourceFailure {
  /** The name of the consumer. */
  readonly schedule: string;
  /** Undefined if the source ended without an error. */
  readonly error: unknown;
  /** Milliseconds until the library opens it again. */
  readonly reopenInMs: number;
}

/** Instances of a scope are still reachable, `graceMs` and three major garbage collections after the scope closed. */
export interface LeakFound {
  /** The schedule in whose scopes they were built; undefined for scopes by hand. */
  readonly schedule: string | undefined;
  /** The class, or the token of a factory that returned a plain object. */
  readonly className: string;
  /** The number of living instances of this class and schedule that have outlived their scopes. */
  readonly count: number;
  /** The tick of the oldest; undefined for a scope by hand. */
  readonly tickId: string | undefined;
  /** The scope of the oldest. */
  readonly scopeId: string;
  /** Milliseconds since the scope of the oldest closed. */
  readonly ageMs: number;
  /** The line that opened the scope of the oldest, for a scope by hand. */
  readonly place: string | undefined;
}

/** A scope from `ProviderScopeFactory.open()` was dropped without being closed: no code can close it any more. */
export interface LeakedScope {
  readonly scopeId: string;
  /** The line that opened it; undefined if the stack doesn't show it. */
  readonly place: string | undefined;
  readonly openedAt: Date;
  /** Milliseconds since it was opened. */
  readonly ageMs: number;
}

/** A method was called on an instance whose scope had closed; the call was refused. */
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
  /** A tick was fired. Its scope is open, and nothing is built in it yet. */
  'tick:started': Tick;
  /** A tick has finished: its scope is disposed, and the report is complete. */
  'tick:finished': TickReport;
  /** A slot did not run, and nothing was built for it. `reason` says why. */
  'tick:skipped': TickReport;
  /** An attempt failed or timed out, its scope is disposed, and another attempt follows. */
  'tick:retrying': TickRetry;
  /** A scope was opened. Nothing is built in it yet. */
  'scope:opened': ScopeNotice;
  /** A scope has closed: everything that it owned is disposed. */
  'scope:closed': ScopeEndNotice;
  /** A schedule was paused, resumed, added, removed or rescheduled at run time. */
  'schedule:changed': ScheduleChange;
  /** The library found something while a tick ran (SW205, SW209). Findings of start-up are logged or thrown instead. */
  'finding:reported': Finding;
  /** `execute()` of a background worker threw or rejected. */
  'background:failed': BackgroundFailure;
  /** `execute()` of a background worker returned while the application runs. The library doesn't call it again. */
  'background:ended': BackgroundEnd;
  /** A source of messages threw, ended, or could not be opened. The library opens it again. */
  'source:failed': SourceFailure;
  /** A message became a dead letter: `deadLetter`, or its source, has put it aside. */
  'message:dead': DeadLetter;
  /** Instances of a closed scope are still reachable. Needs `leakDetection`. */
  'leak:found': LeakFound;
  /** A scope by hand was dropped without being closed. Needs `leakDetection`. */
  'leak:scope': LeakedScope;
  /** A call into an instance of a closed scope was refused. Needs `leakDetection` with `strict`. */
  'leak:call': LateCall;
  /** The memory was checked. Needs `memory`. */
  'memory:sampled': MemoryCheck;
  /** The memory has reached `warnAtMb` or `warnAtPercent`. */
  'memory:warning': MemoryCrossing;
  /** The memory has fallen more than 5 % below the threshold of the warning. */
  'memory:recovered': MemoryCrossing;
  /** The memory has reached `stopAtMb` or `stopAtPercent`: the application shuts down. */
  'memory:stopping': MemoryCrossing;
  /** The shutdown has begun: the triggers have stopped, and nothing is aborted yet. The library awaits the promises that listeners return. */
  'shutdown:started': ShutdownStart;
  /** The drain is over. `onModuleDestroy` of the application runs after it. */
  'shutdown:finished': ShutdownEnd;
  /** The last shutdown hook of the application has run, and all scopes are closed. */
  'shutdown:closed': ShutdownEnd;
  /** Something failed that no code awaits. `where` says what. */
  'failure:stray': StrayFailure;
}
