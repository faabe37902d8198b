/** The stack frames of the calling code. */
export interface Frames {
  readonly stack?: string;
}

/** TypeORM adds up to 15 frames between the application and the query runner; V8 keeps 10 by default. */
const FRAMES = 40;

/** Captures the stack now, because after a wait, the stack leads only to the library. V8 formats a stack only on the first read. */
export function captureFrames(below: Function): Frames {
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

export function linesOf(frames: Frames | undefined): string[] {
  const stack: unknown = frames?.stack; // the application's `Error.prepareStackTrace` may return anything
  if (typeof stack !== 'string') return [];
  return stack.split('\n').filter((line) => line.startsWith('    at '));
}
