/**
 * Returns the text of any thrown value. It never throws, even for a proxy, an object without a prototype, or an object whose
 * getters throw.
 */
export function textOf(error: unknown): string {
  try {
    const { message } = (error ?? {}) as { message?: unknown };
    return typeof message === 'string' ? message : String(error);
  } catch {
    return 'a value that has no text';
  }
}

/** Returns the stack of an error, if it has one. */
export function stackOf(error: unknown): string | undefined {
  try {
    const { stack } = (error ?? {}) as { stack?: unknown };
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads the stacks of a thrown value and its causes. V8 formats a stack when it is first read; until then, the error keeps the
 * `this` of each frame alive. A stored error must not keep the instance that threw it.
 */
export function readStacks(error: unknown, depth = 4): void {
  if (depth === 0 || typeof error !== 'object' || error === null) return;
  stackOf(error);
  try {
    const { cause, errors } = error as { cause?: unknown; errors?: unknown };
    readStacks(cause, depth - 1);
    if (Array.isArray(errors)) for (const each of errors) readStacks(each, depth - 1);
  } catch {
    // A getter of the error threw.
  }
}
