/** `instanceof` for anything that was thrown: false for a proxy that was revoked, or whose traps throw. */
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
