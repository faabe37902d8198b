import type { Finding } from './finding.js';

/**
 * Every `code` that an error of this library carries, in the order of `docs/errors.md`.
 *
 * @publicApi
 */
export const ERROR_CODES = [
  'SCOPE_VALIDATION',
  'INVALID_SCHEDULE',
  'DUPLICATE_SCHEDULE',
  'UNKNOWN_SCHEDULE',
  'INVALID_OPTIONS',
  'SCOPE_CLOSED',
  'TICK_TIMEOUT',
  'DISPOSE_TIMEOUT',
  'PERIODIC_TIMER',
  'WRITE_REFUSED',
  'WRITE_TIMEOUT',
  'MISSING_PEER',
  'UNSUPPORTED_NEST',
] as const;

/** @publicApi */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * Base of every error that this library throws on its own account. An error of the application (a
 * constructor, a handler, a disposer) is never wrapped in it.
 *
 * @publicApi
 */
export abstract class ScopedWorkerError extends Error {
  abstract readonly code: ErrorCode;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/**
 * The base of the errors that stop start-up. Every class lists everything that is wrong in `problems`. `registry.add()` and
 * `PeriodicTimer` throw the same classes at run time.
 *
 * @publicApi
 */
export abstract class StartUpError extends ScopedWorkerError {
  constructor(
    message: string,
    /** One entry for each problem: where it is, what is wrong, and what to write instead. */
    readonly problems: readonly string[],
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/**
 * Start-up found more than one kind of thing wrong, or a finding that `scopeValidation` refuses. Carries
 * all of them.
 *
 * @publicApi
 */
export class ScopeValidationError extends StartUpError {
  readonly code = 'SCOPE_VALIDATION';

  constructor(
    /** The same as `problems`, as data. */
    readonly findings: readonly Finding[],
  ) {
    super(
      `Start-up was stopped by ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}; nothing was scheduled:\n` +
        findings
          .map((finding, index) => `  ${index + 1}. [${finding.number}] ${finding.message}`)
          .join('\n'),
      findings.map(({ message }) => message),
    );
  }
}

/**
 * A decorator, one of its options or an override cannot work. Thrown at start-up, before anything is
 * scheduled; names every culprit as `Class.method`.
 *
 * @publicApi
 */
export class InvalidScheduleError extends StartUpError {
  readonly code = 'INVALID_SCHEDULE';

  constructor(problems: readonly string[]) {
    super(problems.join('\n'), problems);
  }
}

/**
 * Two schedules carry one name. Thrown at start-up, before anything is scheduled.
 *
 * @publicApi
 */
export class DuplicateScheduleError extends StartUpError {
  readonly code = 'DUPLICATE_SCHEDULE';

  constructor(problems: readonly string[]) {
    super(problems.join('\n'), problems);
  }
}

/**
 * A schedule was asked for under a name that no schedule has.
 *
 * @publicApi
 */
export class UnknownScheduleError extends ScopedWorkerError {
  readonly code = 'UNKNOWN_SCHEDULE';

  constructor(
    /** The name that was asked for. */
    readonly schedule: string,
    /** The names that exist. */
    readonly known: readonly string[],
    hint?: string,
  ) {
    const names = known.length === 0 ? 'there are none' : known.join(', ');
    super(
      `No schedule is named "${schedule}". ${hint ?? `Use one of the names that exist: ${names}.`}`,
    );
  }
}

/**
 * The options of `ScopedWorkerModule` or a `BackgroundWorker` cannot work, or two imports of the module disagree: thrown at
 * start-up. Or the options of a `PeriodicTimer`: thrown by its constructor or by an assignment. Or the arguments of a call, such
 * as `events.on()`, which throws it, and `registry.run()`, whose promise rejects.
 *
 * @publicApi
 */
export class InvalidOptionsError extends StartUpError {
  readonly code = 'INVALID_OPTIONS';

  constructor(problems: readonly string[], options?: { cause?: unknown }) {
    super(problems.join('\n'), problems, options);
  }
}

/**
 * Refuses an invalid argument of a call.
 *
 * @throws {InvalidOptionsError} if there is a problem; each of its sentences begins with `call`.
 */
export function refuseInvalid(call: string, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new InvalidOptionsError(problems.map((problem) => `${call}: ${problem}.`));
}

/**
 * Something was asked of a scope that is closed, or of a scope that may no longer build because the
 * application is shutting down. Or a method was called on an instance of a closed scope, under
 * `leakDetection: { strict: true }`: then `cause` has the stack of the closing.
 *
 * @publicApi
 */
export class ScopeClosedError extends ScopedWorkerError {
  readonly code = 'SCOPE_CLOSED';

  constructor(
    /** Id of the scope, or `undefined` when it was never opened. */
    readonly scopeId: string | undefined,
    what: string,
    options?: { cause?: unknown },
  ) {
    super(what, options);
  }
}

/**
 * A tick ran longer than its `timeoutMs`. It is the reason of the tick's signal and the error of its
 * report; `cause` is what the handler threw after the abort, when that is another error, or the `WriteTimeoutError` of a write
 * that was waiting for its turn.
 *
 * @publicApi
 */
export class TickTimeoutError extends ScopedWorkerError {
  readonly code = 'TICK_TIMEOUT';

  constructor(
    readonly schedule: string,
    readonly timeoutMs: number,
    options?: { cause?: unknown },
  ) {
    super(
      `${schedule} ran longer than its timeoutMs of ${timeoutMs} ms. Make the handler follow tick.signal, or raise timeoutMs.`,
      options,
    );
  }
}

/**
 * A disposer did not settle within `disposeTimeoutMs`. The scope went on without it.
 *
 * @publicApi
 */
export class DisposeTimeoutError extends ScopedWorkerError {
  readonly code = 'DISPOSE_TIMEOUT';

  constructor(
    /** What hung, written `Class.method`. */
    readonly disposer: string,
    readonly timeoutMs: number,
  ) {
    super(
      `${disposer} did not settle within disposeTimeoutMs of ${timeoutMs} ms; the scope was closed without waiting for it.`,
    );
  }
}

const TEXTS = {
  'already-waiting':
    'PeriodicTimer: waitForNextTick() was called while an earlier call still waits. Await each call before the next one, or give each loop a timer of its own.',
  over: 'PeriodicTimer: periodMs cannot be changed any more, because the timer was disposed or its signal was aborted. Make a new timer.',
} as const;

/**
 * A `PeriodicTimer` was asked for what it cannot do: a second wait at the same time, or another period after its end.
 *
 * @publicApi
 */
export class PeriodicTimerError extends ScopedWorkerError {
  readonly code = 'PERIODIC_TIMER';

  constructor(readonly problem: keyof typeof TEXTS) {
    super(TEXTS[problem]);
  }
}

/**
 * A write to an SQLite file was refused, because the transaction that is writing to the file waits for the code that sent it. Nothing
 * was written.
 *
 * @publicApi
 */
export class WriteRefusedError extends ScopedWorkerError {
  readonly code = 'WRITE_REFUSED';

  constructor(
    /** The path of the database. */
    readonly file: string,
    /** The SQL statement, shortened. For `save()` and `remove()` it is the `BEGIN` of their transaction. */
    readonly statement: string,
    /** Who has the transaction open: `Reports.nightly (tick-1)`, `scope scope-1` or `the application`. */
    readonly holder: string,
  ) {
    super(
      `A write to ${file} would wait for itself, so it was refused: ${statement}. The transaction of ${holder} is writing to the file, and ends only after this write. SQLite allows one writer at a time. Write through the EntityManager of that transaction: inject it with @InjectScopedRepository() or @InjectScopedEntityManager(), or pass it to the service as an argument. Or write after the transaction has ended.`,
    );
  }
}

/**
 * A write to an SQLite file waited too long for a transaction of the same process, and was not sent. It also is the `cause` of a
 * `TickTimeoutError` whose tick was waiting when its time was up.
 *
 * @publicApi
 */
export class WriteTimeoutError extends ScopedWorkerError {
  readonly code = 'WRITE_TIMEOUT';

  constructor(
    /** The path of the database. */
    readonly file: string,
    /** Who has the transaction open: `Reports.nightly (tick-1)`, `scope scope-1` or `the application`. */
    readonly holder: string,
    /** How long the write waited, in milliseconds. */
    readonly waitedMs: number,
    /** Its `cause` leads to the code that began the transaction, if that is known. */
    options?: { cause?: unknown },
  ) {
    super(
      `A write to ${file} waited ${waitedMs} ms for its turn. The transaction of ${holder} is writing to the file. SQLite allows one writer at a time. Keep that transaction short, and look for one that never ends or that waits for this write.`,
      options,
    );
  }
}

/**
 * An optional package that a feature needs is not installed.
 *
 * @publicApi
 */
export class MissingPeerError extends ScopedWorkerError {
  readonly code = 'MISSING_PEER';

  constructor(
    /** What needs the package. */
    readonly feature: string,
    /** The packages to install. */
    readonly packages: readonly string[],
    options?: { cause?: unknown },
  ) {
    super(
      `${feature} needs ${packages.join(' and ')}. Run: npm install ${packages.join(' ')}`,
      options,
    );
  }
}

/**
 * The library can't work with the installed version of Nest: it can't drain, or can't see what to dispose.
 *
 * @publicApi
 */
export class UnsupportedNestError extends StartUpError {
  readonly code = 'UNSUPPORTED_NEST';

  /** @param reason a clause that says why, and a sentence that says what to do. */
  constructor(reason: string) {
    const text = `nestjs-scoped-worker needs Nest 11 or 12, but ${reason}.`;
    super(text, [text]);
  }
}
