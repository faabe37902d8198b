/**
 * Returns the text of any thrown value. Never throws, even for a proxy, an object without a prototype, or an object whose getters
 * throw.
 */
export function textOf(error: unknown): string {
  try {
    const { message } = (error ?? {}) as { message?: unknown };
    return typeof message === 'string' ? message : String(error);
  } catch {
    return 'a value that has no text';
  }
}

/** Returns a property if it is a string; undefined otherwise, even if its getter throws. */
export function stringOf(error: unknown, property: 'message' | 'stack'): string | undefined {
  try {
    const value: unknown = (error as Partial<Record<string, unknown>> | null | undefined)?.[
      property
    ];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the stack of an error, if it has one. */
export function stackOf(error: unknown): string | undefined {
  return stringOf(error, 'stack');
}

/** Returns the cause of a thrown value and the errors of an `AggregateError`; none if a getter throws. */
function partsOf(error: unknown): readonly unknown[] {
  if (typeof error !== 'object' || error === null) return [];
  try {
    const { cause, errors } = error as { cause?: unknown; errors?: unknown };
    return [cause, ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
  } catch {
    return [];
  }
}

/** Yields a thrown value, its causes and the errors of an `AggregateError`, each once, because they may refer to each other. */
function* partsWithin(error: unknown, depth: number): Generator<unknown> {
  const known = new Set<unknown>([error]);
  let level: readonly unknown[] = [error];
  for (let below = depth; below > 0 && level.length > 0; below -= 1) {
    yield* level;
    level = level
      .flatMap(partsOf)
      .filter((part) => part !== undefined && !known.has(part) && known.add(part));
  }
}

/**
 * Reads the stacks of a thrown value and its causes. V8 formats a stack when it is first read; until then, the error keeps the
 * `this` of each frame alive. A stored error must not keep alive the instance that threw it.
 */
export function readStacks(error: unknown): void {
  for (const part of partsWithin(error, 4)) stackOf(part);
}

/** Works like `instanceof`, but returns false for a proxy that was revoked or whose traps throw. */
export function isErrorOf<T>(
  error: unknown,
  type: abstract new (...args: never[]) => T,
): error is T {
  try {
    return error instanceof type;
  } catch {
    return false;
  }
}

/** Returns a single error unchanged, and several as an `AggregateError` that keeps their order and names the first. */
export function combined(errors: readonly unknown[]): unknown {
  if (errors.length === 1) return errors[0];
  return new AggregateError(errors, `${errors.length} errors, the first: ${textOf(errors[0])}`);
}

/** Returns true if `whole` is the error itself, or an `AggregateError` that contains it. */
export function isPartOf(error: unknown, whole: unknown): boolean {
  if (error === whole) return true;
  if (!isErrorOf(whole, AggregateError)) return false;
  const errors: unknown = whole.errors;
  return Array.isArray(errors) && errors.includes(error);
}

/** Returns true if `whole` is the error, or has it as a cause or among its errors. */
export function leadsTo(whole: unknown, error: unknown): boolean {
  for (const part of partsWithin(whole, 9)) if (part === error) return true;
  return false;
}

/** Something that may have been aborted, such as an `AbortSignal`. */
export type Abortable = Pick<AbortSignal, 'aborted' | 'reason'>;

/** The names and codes of errors that APIs throw after an abort; axios has its own. */
const ABORT_NAMES: readonly unknown[] = ['AbortError', 'CanceledError'];
const ABORT_CODES: readonly unknown[] = ['ABORT_ERR', 'ERR_CANCELED'];

/**
 * Returns true for the abort reason itself, and for the abort errors that APIs throw instead of that reason; also for an
 * `AggregateError` that contains only such errors. Never throws.
 */
export function isAbortError(error: unknown, signal: Abortable): boolean {
  return isEach(error, (part) => part === signal.reason || isNamedAbort(part));
}

function isNamedAbort(error: unknown): boolean {
  try {
    const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
    return ABORT_NAMES.includes(name) || ABORT_CODES.includes(code);
  } catch {
    return false; // a getter of the error threw
  }
}

/** Returns true if an error, or each error in an `AggregateError`, passes a test. Never throws, unless the test does. */
export function isEach(error: unknown, test: (part: unknown) => boolean): boolean {
  const known = new Set<unknown>([error]);
  let hasPassed = false;
  for (const part of known) {
    if (test(part)) {
      hasPassed = true;
      continue;
    }
    const errors = isErrorOf(part, AggregateError) ? partsOf(part).slice(1) : [];
    if (errors.length === 0) return false;
    for (const each of errors) known.add(each); // the loop visits what is added meanwhile
  }
  return hasPassed;
}
