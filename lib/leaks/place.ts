/** The maximum number of frames that Nest Observe adds between the caller and the called method. */
const MOST_OF_DECORATOR = 6;

/**
 * Returns where a function on the stack was called, as `file:line:column`; undefined if the stack doesn't show it. Leaves out the
 * name of the caller, because source maps change it.
 *
 * Reads the stack at once, because an error with an unread stack keeps the `this` of each frame alive.
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
    return undefined; // the application's `Error.prepareStackTrace` has thrown
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** True for a frame of Nest Observe, which has the name of the wrapped method or runs in AsyncLocalStorage. */
function isOfDecorator(frame: string, { name }: Function): boolean {
  return frame.includes(`at ProviderScopeFactory.${name} (`) || frame.includes('(node:');
}
