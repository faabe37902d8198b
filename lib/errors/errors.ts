import type { Finding } from './finding.js';
import { show } from '../util/option-checks.js';
import { isClass } from '../util/values.js';

/**
 * Lists every `code` that an error of this library can have, in the order of `docs/errors.md`.
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
 * Base class of the errors that this library throws. The library never wraps an error of the application (from a constructor, a
 * handler or a disposer) in one of them.
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
 * Base class of the errors that stop start-up. `problems` lists every problem. `registry.add()` and `PeriodicTimer` throw
 * some of these errors at run time.
 *
 * @publicApi
 */
export abstract class StartUpError extends ScopedWorkerError {
  /** One entry for each problem: where it is, what is wrong, and what to do. */
  declare readonly problems: readonly string[];

  constructor(message: string, problems: readonly string[], options?: { cause?: unknown }) {
    super(message, options);
    hide(this, { problems });
  }
}

/** Sets properties so that Node doesn't print them below an uncaught error: the error's message already contains them. */
function hide(error: Error, properties: object): void {
  for (const [name, value] of Object.entries(properties))
    Object.defineProperty(error, name, { value });
}

/**
 * Thrown if start-up finds problems of more than one kind, or a finding that `scopeValidation` doesn't accept. The error lists all
 * of them.
 *
 * @publicApi
 */
export class ScopeValidationError extends StartUpError {
  readonly code = 'SCOPE_VALIDATION';
  /** The problems as data. */
  declare readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(
      `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'} stopped start-up, so nothing was scheduled:\n` +
        findings
          .map((finding, index) => `  ${index + 1}. [${finding.number}] ${finding.message}`)
          .join('\n'),
      findings.map(({ message }) => message),
    );
    hide(this, { findings });
  }
}

/**
 * Thrown if a decorator, one of its options or an override is invalid: at start-up, before anything is scheduled. A decorator
 * without parentheses throws it when the class is defined. The message names every culprit as `Class.method`.
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
 * Thrown if two schedules have the same name: at start-up, before anything is scheduled, or by `registry.add()`.
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
 * Thrown if no schedule has the requested name.
 *
 * @publicApi
 */
export class UnknownScheduleError extends ScopedWorkerError {
  readonly code = 'UNKNOWN_SCHEDULE';

  constructor(
    /** The requested name. */
    readonly schedule: string,
    /** The existing names. */
    readonly known: readonly string[],
    hint?: string,
  ) {
    super(`No schedule is named ${show(schedule)}. ${hint ?? namesText(known)}`);
  }
}

/** Returns the sentence that lists the names of all schedules. */
export function namesText(known: readonly string[]): string {
  return known.length === 0
    ? 'The application has no schedules. The library registers decorated handlers before your first onModuleInit(). In a test, await app.init() first. To run a handler at start-up, set runOnStart: true in its decorator.'
    : `Use one of these names: ${known.join(', ')}.`;
}

/**
 * Thrown at start-up if an option of `ScopedWorkerModule` or of a `BackgroundWorker` is invalid, or if two imports of the module
 * have different options. Calls such as `new PeriodicTimer()` and `events.on()` also throw it for invalid arguments;
 * asynchronous ones, such as `registry.run()`, reject with it.
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
 * Rejects invalid arguments of a call.
 *
 * @throws {InvalidOptionsError} if there are problems; each line of the error's message begins with `call`.
 */
export function refuseInvalid(call: string, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new InvalidOptionsError(problems.map((problem) => `${call}: ${problem}.`));
}

/**
 * Rejects a decorator without parentheses: its factory then receives the arguments of a decorator.
 *
 * @param usage the decorator as it has to be written, such as `@ScopedCron(expression)`.
 * @param takesClass true for a factory whose only argument can be a class, such as an entity.
 * @throws {InvalidScheduleError} naming the class and its member.
 */
export function refuseBare(usage: string, given: IArguments, { takesClass = false } = {}): void {
  const [target, key, index] = [...given] as [object, string | symbol | undefined, unknown];
  const isOnClass = given.length === 1 && isClass(target) && !takesClass;
  const isKey = key === undefined || typeof key === 'string' || typeof key === 'symbol';
  const isOnMember = given.length === 3 && Object(target) === target && isKey;
  if (!isOnClass && !isOnMember) return;
  const { name } = typeof target === 'function' ? target : (target.constructor ?? {});
  const member = isOnMember ? `.${String(key ?? `constructor[${index as number}]`)}` : '';
  const [decorator] = usage.split('(');
  throw new InvalidScheduleError([
    `${name}${member}: ${decorator} is written without parentheses. Write ${usage}.`,
  ]);
}

/**
 * Thrown if code uses a closed scope, or a scope that can no longer build anything because the application is shutting down. With
 * `leakDetection: { strict: true }`, methods of an instance whose scope has closed throw it too. The stack of `cause` then shows
 * where the scope closed.
 *
 * @publicApi
 */
export class ScopeClosedError extends ScopedWorkerError {
  readonly code = 'SCOPE_CLOSED';

  constructor(
    /** The id of the scope; `undefined` if it was never opened. */
    readonly scopeId: string | undefined,
    what: string,
    options?: { cause?: unknown },
  ) {
    super(what, options);
  }
}

/**
 * Reports a tick that ran longer than its `timeoutMs`. The error is the reason of the tick's signal and the `error` of the tick's
 * report. `cause` is a different error that the handler threw after the abort, or the `WriteTimeoutError` of a write that
 * was waiting for the write lock.
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
      `${schedule} ran longer than its timeoutMs of ${timeoutMs} ms. Make the handler stop when tick.signal is aborted, or raise timeoutMs.`,
      options,
    );
  }
}

/**
 * Reports a disposer that didn't settle within `disposeTimeoutMs`. The scope closed without waiting for it.
 *
 * @publicApi
 */
export class DisposeTimeoutError extends ScopedWorkerError {
  readonly code = 'DISPOSE_TIMEOUT';

  constructor(
    /** The disposer, in the form `Class.method`. */
    readonly disposer: string,
    readonly timeoutMs: number,
  ) {
    super(
      `${disposer} did not settle within its disposeTimeoutMs of ${timeoutMs} ms. The scope closed without waiting for it. Set a time limit in the disposer, or raise disposeTimeoutMs.`,
    );
  }
}

const TEXTS = {
  'already-waiting':
    'PeriodicTimer: waitForNextTick() was called while an earlier call was still waiting. Await each call before the next one, or use one timer for each loop.',
  over: 'PeriodicTimer: periodMs cannot be changed, because the timer was disposed or its signal was aborted. Create a new timer.',
} as const;

/**
 * Thrown if a call would wait for a `PeriodicTimer` while an earlier call is still waiting, or if `periodMs` is set after the timer has
 * ended.
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
 * Thrown if a write to an SQLite file could wait for itself. The write comes from inside the work whose transaction holds the
 * write lock, or from work that holds another file's lock while that transaction is waiting for it. Nothing was written.
 *
 * @publicApi
 */
export class WriteRefusedError extends ScopedWorkerError {
  readonly code = 'WRITE_REFUSED';

  constructor(
    /** The path of the database. */
    readonly file: string,
    /** The shortened SQL statement. For `save()` and `remove()`, it is the `BEGIN` of their transaction. */
    readonly statement: string,
    /** The owner of the open transaction: `Reports.nightly (tick-1)`, `scope scope-1` or `the application`. */
    readonly holder: string,
    /** Why the write was refused, and what to do instead. */
    advice: string,
  ) {
    super(
      `A write to ${file} could wait for itself, so the library refused it: ${statement}. ${advice}`,
    );
  }
}

/**
 * Thrown if a write to an SQLite file waited too long for a transaction of the same process. The write wasn't sent. This error is
 * also the `cause` of a `TickTimeoutError` if the tick was waiting when it timed out.
 *
 * @publicApi
 */
export class WriteTimeoutError extends ScopedWorkerError {
  readonly code = 'WRITE_TIMEOUT';

  constructor(
    /** The path of the database. */
    readonly file: string,
    /** The owner of the open transaction: `Reports.nightly (tick-1)`, `scope scope-1` or `the application`. */
    readonly holder: string,
    /** How long the write waited, in milliseconds. */
    readonly waitedMs: number,
    /** `cause` leads to the code that began the transaction, if that code is known. */
    options?: { cause?: unknown },
  ) {
    super(
      `A write to ${file} waited ${waitedMs} ms for its turn. The transaction of ${holder} holds the write lock. SQLite allows one writer at a time. Keep that transaction short. Check whether it ever ends, and whether it waits for this write.`,
      options,
    );
  }
}

/**
 * Thrown if an optional package that a feature needs isn't installed.
 *
 * @publicApi
 */
export class MissingPeerError extends ScopedWorkerError {
  readonly code = 'MISSING_PEER';

  constructor(
    /** The feature that needs the packages. */
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
 * Thrown if the library can't work with the installed version of Nest: the library would be unable to drain, or to detect which
 * instances to dispose.
 *
 * @publicApi
 */
export class UnsupportedNestError extends StartUpError {
  readonly code = 'UNSUPPORTED_NEST';

  /** @param reason a clause with the reason, and a sentence that says what to do. */
  constructor(reason: string) {
    const text = `nestjs-scoped-worker needs Nest 11 or 12, but ${reason}.`;
    super(text, [text]);
  }
}
