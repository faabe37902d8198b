import type { ScopeClosedError } from '../errors/errors.js';
import type { LateCall } from '../events/event-map.js';
import type { NestWrapper } from '../nest/index.js';
import { closedError } from '../scope/scope-ports.js';
import { classNameOf, type Origin } from './survivors.js';
import { guarded, instanceBehind, type GuardedScope } from './guarded-proxy.js';

/** Wraps what one scope owns in proxies, and refuses calls through them once the scope is closed. */
export class CallGuard implements GuardedScope {
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

  /** Returns what is injected in place of an instance; anything else as it is. */
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

  /** Reports a call that came too late. @returns the error for the caller; its stack begins with the caller. */
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
