/**
 * The text of anything that was thrown. It may be a proxy, an object without a prototype, or one whose getters
 * throw: what is said of an error must not become another one.
 */
export function textOf(error: unknown): string {
  try {
    const { message } = (error ?? {}) as { message?: unknown };
    return typeof message === 'string' ? message : String(error);
  } catch {
    return 'a value that has no text';
  }
}

/** The stack of an error, when it has one. */
export function stackOf(error: unknown): string | undefined {
  try {
    const { stack } = (error ?? {}) as { stack?: unknown };
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads the stacks of what was thrown, with its causes. V8 writes a stack when it is first read, and until then the error
 * keeps the `this` of each of its frames alive: one that is kept must not keep the instance that threw it.
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
