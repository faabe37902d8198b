import { inspect } from 'node:util';
import type { ScopeClosedError } from '../errors/errors.js';
import type { LateCall } from '../events/event-map.js';
import { bare, type NestWrapper } from '../nest/index.js';
import { closedError } from '../scope/scope-ports.js';
import { getOrAdd, isClass, prototypesOf } from '../util/values.js';
import { classNameOf, type Origin } from './survivor-counts.js';

/** Wraps a scope's own instances in proxies that refuse calls once the scope is closed. */
export class CallGuard {
  #closedAt: Date | undefined;
  /** The stack frames of the code that closed the scope. */
  #closing = '';

  /** Each scope has its own map, because a pool may later pass an object to another scope. */
  readonly #proxies = new WeakMap<object, object>();

  /** The instances that outlive the scope, and whose calls are never refused. */
  readonly #outliving = new WeakSet<object>();

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
    return this.#closedAt !== undefined;
  }

  /** Returns the proxy of an instance of this scope, and any other value unchanged. */
  injected<T>(value: T): T {
    if (typeof value !== 'object' || value === null) return value;
    return (this.#proxies.get(value) as T | undefined) ?? value;
  }

  refusesCallsOf(instance: object): boolean {
    return this.isClosed && !this.#outliving.has(instance);
  }

  outlives(instance: object): void {
    this.#outliving.add(instance);
  }

  wrapped(instance: object, proxy: object): void {
    this.#proxies.set(instance, proxy);
  }

  /** Reads the stack of the closing code immediately, because an unread stack keeps the objects of its frames alive. */
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

/**
 * Methods that are harmless after a scope has closed. Loggers, JavaScript operators, second disposals and code that removes
 * listeners may call them. `fetch` removes a listener in a finalizer, where an error would end the process.
 */
const HARMLESS: ReadonlySet<PropertyKey> = new Set<PropertyKey>([
  'toString',
  'toLocaleString',
  'toJSON',
  'valueOf',
  'then',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  Symbol.toPrimitive,
  Symbol.dispose,
  Symbol.asyncDispose,
  'onModuleDestroy',
  'removeEventListener',
  'removeListener',
  'off',
  inspect.custom,
]);

const instances = new WeakMap<object, { readonly instance: object; readonly scope: CallGuard }>();

/** Returns the instance behind this library's proxies and behind the wrappers from the application's `instanceDecorator`. */
export function instanceBehind(injected: object): object {
  let instance = bare(injected);
  for (let found = instances.get(instance); found !== undefined; found = instances.get(instance))
    instance = bare(found.instance);
  return instance;
}

/** Returns true for a proxy of a scope that isn't closed. */
function isGuarded(value: object): boolean {
  return instances.get(bare(value))?.scope.isClosed === false;
}

/**
 * Wraps an instance in a proxy whose methods refuse calls once the scope is closed. Methods run on the instance itself, so that
 * private fields and the internal slots of built-in classes work. If a result or a property is also a wrapped instance, the caller
 * receives its proxy, so that two references to one instance are equal.
 *
 * Only calls are refused. Property reads and writes, including getters, always reach the instance.
 */
export function guarded<T extends object>(given: T, className: string, scope: CallGuard): T {
  if (isGuarded(given)) return given; // guarded by another scope, which decides when calls are refused
  const instance = instanceBehind(given) as T; // a pool may have taken back the proxy of a closed scope
  const methods = new Map<Function, Function>();
  // An `instanceDecorator` of the application may have wrapped the proxy.
  const isItself = (self: unknown): boolean => bare(self) === proxy;
  const harmless = new Map<Function, Function>(); // one function may be both `close` and `Symbol.dispose`
  const guardMethod = (method: Function, key: PropertyKey): Function => {
    const isHarmless = HARMLESS.has(key);
    return getOrAdd(isHarmless ? harmless : methods, method, () => {
      const apply = (target: Function, self: unknown, args: unknown[]): unknown => {
        if (!isHarmless && scope.refusesCallsOf(instance))
          throw scope.refuse(className, String(key), apply);
        return scope.injected(Reflect.apply(target, isItself(self) ? instance : self, args));
      };
      return new Proxy(method, { apply });
    });
  };
  const proxy: T = new Proxy(instance, {
    get(target, key, receiver) {
      const value: unknown = Reflect.get(target, key, isItself(receiver) ? target : receiver);
      if (typeof value !== 'function') {
        const injected = scope.injected(value);
        return injected === value || isFixed(target, key) ? value : injected;
      }
      return isMethod(target, key, value) ? guardMethod(value, key) : value;
    },
    // An object that inherits from the proxy keeps its own properties.
    set: (target, key, value, receiver) =>
      Reflect.set(target, key, value, isItself(receiver) ? target : receiver),
  });
  instances.set(proxy, { instance, scope });
  scope.wrapped(instance, proxy);
  return proxy;
}

/**
 * Returns true for methods: functions on the prototypes, and own functions that can't be constructors, such as arrow functions. A
 * class or constructor in a property (such as the entity of a repository) is a value, and so is the result of a getter.
 */
function isMethod(target: object, key: PropertyKey, value: Function): boolean {
  if (key === 'constructor') return false;
  const own = Object.getOwnPropertyDescriptor(target, key);
  if (own !== undefined) return 'value' in own && !('prototype' in value) && !isFixed(target, key);
  for (const level of prototypesOf(Object.getPrototypeOf(target))) {
    const inherited = Object.getOwnPropertyDescriptor(level, key);
    if (inherited !== undefined) return 'value' in inherited && !isClass(value);
  }
  return false;
}

/** Returns true for a property that can never change, for which a proxy must return the value itself. */
function isFixed(target: object, key: PropertyKey): boolean {
  const own = Object.getOwnPropertyDescriptor(target, key);
  return own !== undefined && own.configurable === false && own.writable !== true;
}
