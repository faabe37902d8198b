/** The stack frames of the calling code. */
export interface Frames {
  readonly stack?: string;
}

/** TypeORM adds up to 15 frames between the application and the query runner; V8 keeps 10 by default. */
const FRAMES = 40;

/** Captures the stack now, because after a wait, the stack leads only to the library. V8 formats a stack only on the first read. */
export function captureFrames(below: Function): Frames {
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', 0);
  const frames = new Error(); // not a plain object, because the application's `Error.prepareStackTrace` may read its message
  Reflect.set(Error, 'stackTraceLimit', Math.max(FRAMES, limit || 0));
  try {
    Error.captureStackTrace(frames, below);
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit);
  }
  return frames;
}

/** Makes an error's stack point to other code. If `lines` is empty, the stack doesn't change. */
export function leadTo<E extends Error>(error: E, lines: readonly string[]): E {
  if (lines.length > 0) error.stack = [`${error.name}: ${error.message}`, ...lines].join('\n');
  return error;
}

/** How many times the stacks of errors have been extended: all statements of a scope that has no connection fail with one error. */
const extensions = new WeakMap<object, number>();

/** A statement passes through the runner of SQLite, and then through that of the scope. */
const MOST_EXTENSIONS = 2;

/**
 * Adds the code that awaits a failed statement to the stack of its error. V8 keeps 10 frames by default, and those of the library
 * would fill them. Does nothing if the application has switched stacks off.
 *
 * @returns the error.
 */
export function withAwaiting(error: unknown): unknown {
  if (!isOfStatement(error) || !(Error.stackTraceLimit > 0)) return error;
  const count = extensions.get(error) ?? 0;
  if (count >= MOST_EXTENSIONS) return error;
  extensions.set(error, count + 1);
  const { stack } = error;
  if (typeof stack !== 'string') return error;
  const missing = linesOf(captureFrames(withAwaiting)).filter((line) => !stack.includes(line));
  if (missing.length > 0) Reflect.set(error, 'stack', [stack, ...missing].join('\n')); // an error may be frozen
  return error;
}

/**
 * Returns true for an error of a driver, in TypeORM's wrapper. TypeORM 0.3 doesn't wrap the error of better-sqlite3 for a statement
 * that can't be prepared, which may be no instance of this realm's `Error`.
 */
function isOfStatement(error: unknown): error is Error {
  if (typeof error !== 'object' || error === null) return false;
  try {
    return 'driverError' in error || (error as Partial<Error>).name === 'SqliteError';
  } catch {
    return false; // a proxy that was revoked
  }
}

export function linesOf(frames: Frames | undefined): string[] {
  const stack: unknown = frames?.stack; // the application's `Error.prepareStackTrace` may return anything
  if (typeof stack !== 'string') return [];
  return stack.split('\n').filter((line) => line.startsWith('    at '));
}
