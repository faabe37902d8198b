import type { ScopeClosedError } from '../errors/index.js';
import type { LateCall } from '../events/event-map.js';
import { closedError } from '../scope/refusal.js';
import type { Origin } from './ended-scope.js';

/** What the proxies of a scope know of it: all that is left of it when it is closed. */
export class GuardedScope {
  #isClosed = false;
  #closedAt: Date | undefined;
  /** The frames of whoever closed the scope. */
  #closing = '';

  /** Of this scope only: a pool may give an object to another one after it. */
  readonly #proxies = new WeakMap<object, object>();

  constructor(
    private readonly origin: Origin,
    private readonly refused: (call: LateCall) => void,
  ) {}

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What is injected in place of an instance; anything else as it is. */
  injected<T>(value: T): T {
    if (typeof value !== 'object' || value === null) return value;
    return (this.#proxies.get(value) as T | undefined) ?? value;
  }

  wrapped(instance: object, proxy: object): void {
    this.#proxies.set(instance, proxy);
  }

  /** Read at once: a stack that was not read keeps what it saw alive. */
  ending(callee: Function): void {
    const holder: { stack?: unknown } = {};
    try {
      Error.captureStackTrace(holder, callee);
      this.#closing = framesOf(holder.stack);
    } catch {
      // A hook of the application that formats stacks (`Error.prepareStackTrace`) has thrown.
    }
  }

  ended(): void {
    this.#isClosed = true;
    this.#closedAt = new Date();
  }

  /** Tells of a call that came too late. @returns what the caller gets; its stack begins with the caller. */
  refuse(className: string, method: string, callee: Function): ScopeClosedError {
    const { scopeId, schedule, tickId } = this.origin;
    const owner = schedule === undefined ? '' : ` of ${schedule} (${tickId})`;
    const error = closedError(this.origin, `call ${className}.${method}`, this.closing(owner));
    Error.captureStackTrace(error, callee);
    this.refused({ schedule, tickId, scopeId, className, method, error });
    return error;
  }

  private closing(owner: string): Error {
    const error = new Error(
      `Scope ${this.origin.scopeId}${owner} closed at ${this.#closedAt?.toISOString()}.`,
    );
    error.stack = `${error.name}: ${error.message}\n${this.#closing}`;
    return error;
  }
}

/** A stack without the line of its error. */
function framesOf(stack: unknown): string {
  if (typeof stack !== 'string') return '';
  const lines = stack.split('\n');
  return lines.slice(lines.findIndex((line) => /^\s+at /.test(line))).join('\n');
}
