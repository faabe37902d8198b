/** The frames of the code that sends a statement. */
export interface Frames {
  readonly stack?: string;
}

/** Between the application and its query runner are up to 15 frames of TypeORM; V8 keeps 10 by default. */
const FRAMES = 40;

/** Captures the stack now, because after a wait it leads to the library only. V8 writes its text when it is first read. */
export function captureFrames(below: Function): Frames {
  const frames: Frames = {};
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', FRAMES);
  Error.captureStackTrace(frames, below);
  Reflect.set(Error, 'stackTraceLimit', limit);
  return frames;
}

/** Has the stack of an error lead to other code; without frames, it stays as it is. */
export function leadTo<E extends Error>(error: E, lines: readonly string[]): E {
  if (lines.length > 0) error.stack = [`${error.name}: ${error.message}`, ...lines].join('\n');
  return error;
}

export function linesOf(frames: Frames | undefined): string[] {
  return (frames?.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
}
