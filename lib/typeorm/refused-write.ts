import { WriteRefusedError } from '../errors/errors.js';
import { currentContext, mustShow, type WorkContext } from '../scope/work-context.js';
import type { WaitsForItself, WriteLock } from './write-lock.js';

/** The frames of the code that sends a statement. */
export interface Frames {
  readonly stack?: string;
}

/** Between the application and its query runner are up to 15 frames of TypeORM; V8 keeps 10 by default. */
const FRAMES = 40;

/** The maximum number of characters of a statement in an error. */
const LONGEST_STATEMENT = 120;

/** Captures the stack now, because after a wait it leads to the library only. V8 writes its text when it is first read. */
export function captureFrames(below: Function): Frames {
  const frames: Frames = {};
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', FRAMES);
  Error.captureStackTrace(frames, below);
  Reflect.set(Error, 'stackTraceLimit', limit);
  return frames;
}

/**
 * The work inside which a query runner was created, if it had the turn then. What it writes is refused also after the end of the turn:
 * its call was made before, as that of the other statements of a `Promise.all()` of which one was refused.
 */
export class Creation {
  readonly frames: Frames;
  readonly #context: WorkContext | undefined = currentContext();

  private constructor(
    private readonly refusal: WaitsForItself,
    below: Function,
  ) {
    this.frames = captureFrames(below);
  }

  static of(lock: WriteLock, below: Function): Creation | undefined {
    const refusal = lock.refusalOfCaller();
    return refusal && new Creation(refusal, below);
  }

  /** Refuses code of that work, but not that of others, to which the query runner was passed. */
  check(): void {
    const context = this.#context;
    const isOver = context !== undefined && context.owner === undefined;
    if (this.refusal.holder.isOwnWork() || (isOver && context === currentContext()))
      throw this.refusal;
  }
}

/**
 * Returns the error for the caller. If the caller catches it, the library reports it when the scope ends.
 *
 * @param sent where the statement was sent.
 * @param prepared where its query runner was created, to fill gaps: V8 loses the caller of an async function that waits and
 * then returns a promise, as `insert()` does.
 */
export function refusedWrite(
  { file, holder }: WaitsForItself,
  statement: string,
  sent: Frames | undefined,
  prepared: Frames | undefined,
): WriteRefusedError {
  const error = new WriteRefusedError(file, shorten(statement), holder.label);
  const lines = linesOf(sent);
  const origin = linesOf(prepared);
  if (!origin.some((line) => lines.includes(line))) lines.push(...origin);
  if (lines.length > 0) error.stack = [`${error.name}: ${error.message}`, ...lines].join('\n');
  mustShow(error);
  return error;
}

/** Returns an error that leads to the code that began a transaction. */
export function originOf(label: string, frames: Frames | undefined): Error | undefined {
  const lines = linesOf(frames);
  if (lines.length === 0) return undefined;
  const error = new Error(`The transaction of ${label} began here.`);
  error.stack = [`Error: ${error.message}`, ...lines].join('\n');
  return error;
}

function linesOf(frames: Frames | undefined): string[] {
  return (frames?.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
}

function shorten(statement: string): string {
  const text = statement.trim().replace(/\s+/g, ' ');
  return text.length <= LONGEST_STATEMENT ? text : `${text.slice(0, LONGEST_STATEMENT)}...`;
}
