import { WriteRefusedError } from '../errors/errors.js';
import { currentContext, mustShow, type WorkContext } from '../scope/work-context.js';
import { captureFrames, leadTo, linesOf, type Frames } from './frames.js';
import type { WaitsForItself, WriteLock, Writer } from './sqlite-write-lock.js';

/** The maximum number of characters of a statement in an error. */
const LONGEST_STATEMENT = 120;

/**
 * Records the work in which a query runner was created, if that work had the turn then. The writes of the query runner are refused
 * even after the turn, because the work called them before the turn ended. An example is a `Promise.all()` in which another call
 * was refused.
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

  /** Throws for code of that work, but not for other work that received the query runner. */
  check(): void {
    const context = this.#context;
    const isOver = context !== undefined && context.owner === undefined;
    if (this.refusal.concernsCaller() || (isOver && context === currentContext()))
      throw this.refusal;
  }
}

/**
 * Returns the error for the caller. The library reports it when the scope ends, even if the caller catches it.
 *
 * @param sent the stack where the statement was sent.
 * @param prepared the stack where its query runner was created. This stack fills gaps: V8 loses the caller of an async function
 * that waits and then returns a promise, as `insert()` does.
 */
export function refusedWrite(
  { file, holder }: WaitsForItself,
  writer: Writer,
  statement: string,
  sent: Frames | undefined,
  prepared: Frames | undefined,
): WriteRefusedError {
  const isOfSameScope =
    writer.scope !== undefined && writer.scope === holder.scope && writer.group === holder.group;
  const error = new WriteRefusedError(file, shorten(statement), holder.label, isOfSameScope);
  const lines = linesOf(sent);
  const origin = linesOf(prepared);
  if (!origin.some((line) => lines.includes(line))) lines.push(...origin);
  mustShow(error);
  return leadTo(error, lines);
}

/** Returns an error that leads to the code that began a transaction. */
export function originOf(label: string, frames: Frames | undefined): Error | undefined {
  const lines = linesOf(frames);
  if (lines.length === 0) return undefined;
  return leadTo(new Error(`The transaction of ${label} began here.`), lines);
}

function shorten(statement: string): string {
  const text = statement.trim().replace(/\s+/g, ' ');
  return text.length <= LONGEST_STATEMENT ? text : `${text.slice(0, LONGEST_STATEMENT)}...`;
}
