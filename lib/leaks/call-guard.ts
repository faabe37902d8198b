import type { ScopeClosedError } from '../errors/errors.js';
import type { LateCall } from '../events/event-map.js';
import type { NestWrapper } from '../nest/index.js';
import { closedError } from '../scope/scope-ports.js';
import { classNameOf, type Origin } from './survivors.js';
import { guarded, instanceBehind, type GuardedScope } from './guarded-proxy.js';

/** Wraps the instances that one scope owns in proxies, which refuse calls once the scope is closed. */
export class CallGuard implements GuardedScope {
  #isClosed = false;
  #closedAt: Date | undefined;
  /** The stack frames of the code that closed the scope. */
  #closing = '';

  /** One map for each scope, because a pool may pass an object to another scope later. */
  readonly #proxies = new WeakMap<object, object>();

  constructor(
    private readonly origin: Origin,
    private readonly refused: (call: LateCall) => void,
  ) {}

  readonly guard = (instance: object, wrapper: NestWrapper, isOwn: () => boolean): object => {
    const own = instanceBehind(instance);
    const known = this.injected(own);
    if (known !== own) return known;
    if (!isOwn()) return instance;
    return guarded(instance, classNameOf(instance, wrapper), this);
  };

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Returns the proxy of an instance of this scope; any other value unchanged. */
  injected<T>(value: T): T {
    if (typeof value !== 'object' || value === null) return value;
    return (this.#proxies.get(value) as T | undefined) ?? value;
  }

  wrapped(instance: object, proxy: object): void {
    this.#proxies.set(instance, proxy);
  }

  /** Reads the stack at once, because an unread stack keeps the objects of its frames alive. */
  ending(callee: Function): void {
    const holder: { stack?: unknown } = {};
    try {
      Error.captureStackTrace(holder, callee);
      this.#closing = framesOf(holder.stack);
    } catch {
      // The application's `Error.prepareStackTrace` has thrown.
    }
  }

  ended(): void {
    this.#isClosed = true;
    this.#closedAt = new Date();
  }

  /** Reports a late call. @returns the error for the caller; its stack begins with the caller. */
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

/** Returns the frames of a stack, without the message above them. */
function framesOf(stack: unknown): string {
  if (typeof stack !== 'string') return '';
  const lines = stack.split('\n');
  return lines.slice(lines.findIndex((line) => /^\s+at /.test(line))).join('\n');
}
