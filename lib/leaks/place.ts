/** Frames that Nest Observe adds between the caller and the called method. */
const MOST_OF_DECORATOR = 6;

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
    Error.stackTraceLimit = 1 + MOST_OF_DECORATOR;
    Error.captureStackTrace(holder, callee);
    if (typeof holder.stack !== 'string') return undefined;
    const frames = holder.stack.split('\n').filter((line) => /^\s+at /.test(line));
    const caller = frames.find((frame) => !isOfDecorator(frame, callee)) ?? frames[0];
    return /^\s+at (?:.*\()?([^()\n]+)\)?$/.exec(caller ?? '')?.[1];
  } catch {
    return undefined; // a hook of the application that formats stacks has thrown
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Nest Observe names its own frames after the method that it wraps, and runs them in AsyncLocalStorage. */
function isOfDecorator(frame: string, { name }: Function): boolean {
  return frame.includes(`at ProviderScopeFactory.${name} (`) || frame.includes('(node:');
}
