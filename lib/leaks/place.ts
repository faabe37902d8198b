/**
 * Where a function that is on the stack was called, as `file:line:column`; undefined when the stack does not tell. The name
 * of the caller is left out: source maps make another one of it.
 *
 * The stack is read at once: an error whose stack was not read keeps the `this` of each of its frames alive.
 */
export function placeOfCall(callee: Function): string | undefined {
  const limit = Error.stackTraceLimit;
  const holder: { stack?: string } = {};
  try {
    Error.stackTraceLimit = 1;
    Error.captureStackTrace(holder, callee);
    if (typeof holder.stack !== 'string') return undefined;
    return /^\s+at (?:.*\()?([^()\n]+)\)?$/m.exec(holder.stack)?.[1];
  } catch {
    return undefined; // a hook of the application that formats stacks has thrown
  } finally {
    Error.stackTraceLimit = limit;
  }
}
