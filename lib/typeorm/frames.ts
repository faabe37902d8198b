/** The stack frames of the calling code. */
export interface Frames {
  readonly stack?: string;
}

/** TypeORM adds up to 15 frames between the application and the query runner; V8 keeps 10 by default. */
const FRAMES = 40;

/** Captures the stack now, because after a wait, the stack leads only to the library. V8 formats a stack only on the first read. */
export function captureFrames(below?: Function): Frames {
  const frames: Frames = {};
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', FRAMES);
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

/** The errors whose stacks lead to the code that sent the statement. */
const led = new WeakSet<object>();

/**
 * Makes the stack of TypeORM's error for a failed statement lead to the code that awaits the statement. V8 keeps 10 frames by
 * default, and those of the library would fill them. Doesn't change other errors.
 *
 * @returns the error.
 */
export function leadToAwaiting(error: unknown): unknown {
  if (!(error instanceof Error) || !('driverError' in error) || led.has(error)) return error;
  led.add(error);
  return leadTo(error, linesOf(captureFrames(leadToAwaiting)));
}

export function linesOf(frames: Frames | undefined): string[] {
  const stack: unknown = frames?.stack; // the application's `Error.prepareStackTrace` may return anything
  if (typeof stack !== 'string') return [];
  return stack.split('\n').filter((line) => line.startsWith('    at '));
}
