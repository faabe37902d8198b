/** True for the reason of an abort, and for what APIs that follow a signal throw in its place: a name of `AbortError`, a code of `ABORT_ERR`. */
export function isAbortError(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true;
  try {
    const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
    return name === 'AbortError' || code === 'ABORT_ERR';
  } catch {
    return false; // a getter of the error threw
  }
}
