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
