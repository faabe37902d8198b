import { WriteRefusedError } from '../errors/errors.js';
import { contexts, currentContext, mustShow, type WorkContext } from '../scope/work-context.js';
import { captureFrames, leadTo, linesOf, type Frames } from './frames.js';
import type { WaitsForItself, WriteLock, Writer } from './sqlite-write-lock.js';

/** The maximum number of characters of a statement in an error. */
const LONGEST_STATEMENT = 120;

/**
 * Records the work in which a query runner was created, if that work held the turn at that moment. The writes of the query runner
 * are refused even after the turn has ended, because the work issued them during the turn. This happens, for example, in a
 * `Promise.all()` in which another call was refused.
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

  /**
   * Throws if the caller belongs to the work that created the query runner. Doesn't throw for other work that received the query
   * runner.
   */
  check(): void {
    const context = this.#context;
    const isOver = context !== undefined && context.owner === undefined;
    if (this.refusal.concernsCaller() || (isOver && context === currentContext()))
      throw this.refusal;
  }
}

/**
 * Returns the error for the caller of a refused write. The library reports it when the scope ends, even if the caller catches it.
 *
 * @param sent the stack where the statement was sent.
 * @param prepared the stack where its query runner was created. This stack fills gaps: V8 loses the caller of an async function
 * that waits and then returns a promise, as `insert()` does.
 */
export function refusedWrite(
  refusal: WaitsForItself,
  writer: Writer,
  statement: string,
  sent: Frames | undefined,
  prepared: Frames | undefined,
): WriteRefusedError {
  const { file, holder } = refusal;
  const advice = adviceFor(refusal, writer);
  const error = new WriteRefusedError(file, shorten(statement), holder.label, advice);
  const lines = linesOf(sent);
  const origin = linesOf(prepared);
  if (!origin.some((line) => lines.includes(line))) lines.push(...origin);
  mustShow(error);
  return leadTo(error, lines);
}

/** Returns why the write is refused, and what to do instead. */
function adviceFor(refusal: WaitsForItself, writer: Writer): string {
  const { holder, otherFile } = refusal;
  if (otherFile !== undefined) return deadlockText(holder.label, otherFile);
  if (refusal.isOver)
    return writer.scope === undefined
      ? lateText(holder.label)
      : readOnlyText(writer.label, holder.label);
  const isOfSameScope = writer.scope !== undefined && writer.scope === holder.scope;
  const inner = isInside(writer, holder) ? innerScopeText(writer.label) : ONE_WRITER;
  const advice = isOfSameScope && writer.group === holder.group ? TWO_CONNECTIONS : inner;
  return `The transaction of ${holder.label} holds the write lock. ${advice}`;
}

/** Returns true if the writer's scope was opened inside the work of the transaction, rather than around it. */
function isInside({ scope, isInner }: Writer, holder: Writer): boolean {
  if (scope === undefined || scope === holder.scope) return false;
  if (holder.scope === undefined) return isInner === true;
  const scopes = [...contexts()].map(
    ({ owner }) => (owner as { notice?: object } | undefined)?.notice,
  );
  const at = scopes.indexOf(scope);
  return at >= 0 && at < scopes.indexOf(holder.scope);
}

export const ONE_WRITER =
  'SQLite allows one writer at a time. If that transaction awaits this write, neither can finish. Write through the EntityManager of that transaction: pass it to the service as an argument. If it is the transaction of a tick or scope, you can also use @InjectScopedRepository() or @InjectScopedEntityManager(). Or write after the transaction has ended.';

const TWO_CONNECTIONS =
  'The write comes from the same scope, which has two connections. Some modules import ScopedTypeOrmModule.forFeature() with { transaction: true }, and others without it. SQLite allows one writer at a time, and the open transaction may be waiting for this write. Set the same transaction option in every forFeature() whose repositories this scope uses, so that it has one connection.';

function deadlockText(holder: string, otherFile: string): string {
  return `The transaction of ${holder} holds the write lock. It waits, directly or through other transactions, for ${otherFile}, whose write lock the calling code holds. If that transaction awaits its own write, neither it nor the calling code can finish. Write to the files in the same order everywhere, or end one transaction before you write to another file.`;
}

function innerScopeText(label: string): string {
  return `The write comes from another scope, ${label}, inside the work of that transaction. SQLite allows one writer at a time. If that work awaits this write, neither can finish. Run ${label} after the transaction has ended, or pass the EntityManager of the transaction to its code.`;
}

function lateText(outer: string): string {
  return `The write was issued inside the work of ${outer}, whose transaction has ended in the meantime. Await the write inside that work, and send it through the EntityManager of that transaction. In a tick or scope, you can also use @InjectScopedRepository() or @InjectScopedEntityManager().`;
}

function readOnlyText(label: string, outer: string): string {
  return `The transaction of ${label} began inside the transaction of ${outer}, so it can only read, even though the transaction of ${outer} has ended. Send the first statement of ${label} before the transaction of ${outer} begins, or after it has ended.`;
}

/** Returns an error whose stack leads to the code that began a transaction. */
export function originOf(label: string, frames: Frames | undefined): Error | undefined {
  const lines = linesOf(frames);
  if (lines.length === 0) return undefined;
  return leadTo(new Error(`The transaction of ${label} began here.`), lines);
}

function shorten(statement: string): string {
  const text = statement.trim().replace(/\s+/g, ' ');
  return text.length <= LONGEST_STATEMENT ? text : `${text.slice(0, LONGEST_STATEMENT)}...`;
}
