import type { ScopeClosedError } from '../errors/errors.js';
import type { TickReport, TickRetry } from '../tick/tick-report.js';
import type { DeadLetter } from '../schedule/consumer-options.js';
import type { Tick } from '../tick/tick.js';
import type { MemoryCheck, MemoryCrossing } from '../memory/memory-text.js';
import type { Finding } from '../errors/finding.js';
import type { ScopeEndNotice, ScopeNotice } from '../scope/scope-ports.js';

/** A schedule was changed at run time. */
export interface ScheduleChange {
  readonly schedule: string;
  readonly change: 'paused' | 'resumed' | 'added' | 'removed' | 'rescheduled';
}

/** The shutdown has begun: what it waits for. */
export interface ShutdownStart {
  /** Schedule names with tick ids, and scopes by hand. */
  readonly waitingFor: readonly string[];
}

/** The end of a wait of the shutdown: the end of the drain, or of the last shutdown hook. */
export interface ShutdownEnd {
  readonly waitedMs: number;
  /** What had not ended when the time was up, or a second signal came. */
  readonly abandoned: readonly string[];
  /** Scopes from `ProviderScopeFactory.open()` that nobody had closed; the shutdown disposed them. */
  readonly leftOpen: readonly string[];
}

/** Something of the application failed where nobody waits for it. */
export interface StrayFailure {
  readonly where:
    | 'abort-listener'
    | 'wait-for'
    | 'late-disposer'
    | 'engine'
    | 'retry-backoff'
    | 'nack'
    | 'dead-letter'
    | 'source'
    | 'memory'
    | 'refused-write';
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  /** The background worker, where it is one. */
  readonly worker?: string;
  readonly error: unknown;
}

/** `execute` of a background worker has thrown or rejected. */
export interface BackgroundFailure {
  /** `name` of the `BackgroundWorker`, with a number where several have the same. */
  readonly worker: string;
  readonly error: unknown;
  /** Milliseconds until it is called again; undefined when it is not. */
  readonly restartInMs: number | undefined;
}

/** `execute` of a background worker has returned while the application runs; it is not called again. */
export interface BackgroundEnd {
  readonly worker: string;
}

/** A source of messages threw, ended, or could not be opened. */
export interface SourceFailure {
  /** The name of the consumer. */
  readonly schedule: string;
  /** Undefined when the source ended without an error. */
  readonly error: unknown;
  /** When it is opened again, in milliseconds from now. */
  readonly reopenInMs: number;
}

/**
 * Instances of a scope are still reachable although the scope has closed: at least `graceMs` and three major garbage
 * collections ago.
 */
export interface LeakFound {
  /** The schedule in whose scopes they were built; undefined for scopes by hand. */
  readonly schedule: string | undefined;
  /** The class, or the token of a factory that gave a plain object. */
  readonly className: string;
  /** How many of this class and schedule have outlived their scopes and are alive now. */
  readonly count: number;
  /** The tick of the oldest; undefined for a scope by hand. */
  readonly tickId: string | undefined;
  /** The scope of the oldest. */
  readonly scopeId: string;
  /** Milliseconds since the scope of the oldest closed. */
  readonly ageMs: number;
  /** Where the scope of the oldest was opened, for a scope by hand. */
  readonly place: string | undefined;
}

/** A scope from `ProviderScopeFactory.open()` was dropped without `close()`: nobody can close it any more. */
export interface LeakedScope {
  readonly scopeId: string;
  /** The line that opened it; undefined when the stack does not tell. */
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
  /** What the caller got: its stack is that of the call, the stack of its `cause` that of the closing. */
  readonly error: ScopeClosedError;
}

/**
 * The events of the library, `noun:verb`, with what each carries.
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
  /** `execute()` of a background worker has thrown or rejected. */
  'background:failed': BackgroundFailure;
  /** `execute()` of a background worker has returned while the application runs. It isn't called again. */
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
  /** The shutdown has begun, and nothing new is due. The library awaits the promises that listeners return. */
  'shutdown:started': ShutdownStart;
  /** The drain is over. `onModuleDestroy` of the application runs after it. */
  'shutdown:finished': ShutdownEnd;
  /** The last shutdown hook of the application has run, and all scopes are closed. */
  'shutdown:closed': ShutdownEnd;
  /** Something failed where no code awaits it. `where` says what. */
  'failure:stray': StrayFailure;
}
