/** Returns true for a class: unlike an ordinary function, it can't be called without `new`, and its `prototype` is read-only. */
export function isClass(value: unknown): value is Function {
  return (
    typeof value === 'function' &&
    Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
  );
}

/** Yields an object or a class and everything that it inherits from, except `Object.prototype`. */
export function* prototypesOf(start: unknown): Generator<object> {
  for (let at = start; isObject(at) && at !== Object.prototype; at = Object.getPrototypeOf(at))
    yield at;
}

/** Returns a method of a class or of its base classes. Reads no property, because a getter must not run. */
export function methodOf(type: Function, method: PropertyKey): Function | undefined {
  for (const prototype of prototypesOf(type.prototype)) {
    const property = Object.getOwnPropertyDescriptor(prototype, method);
    if (property === undefined) continue;
    return typeof property.value === 'function' ? property.value : undefined;
  }
  return undefined;
}

/** Returns true if a class or one of its base classes has a method. */
export function hasMethod(type: Function, method: PropertyKey): boolean {
  return methodOf(type, method) !== undefined;
}

/** Returns the methods of the instances of a class, inherited ones included. Reads no property. */
export function methodsOf(type: Function): [name: string, method: Function][] {
  const methods = new Map<string, unknown>();
  for (const prototype of prototypesOf(type.prototype)) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name !== 'constructor' && !methods.has(name)) methods.set(name, property.value);
    }
  }
  return [...methods].filter(
    (entry): entry is [string, Function] => typeof entry[1] === 'function',
  );
}

/** Reads a member of an object that may be a proxy or have a getter; returns undefined if the read throws. */
export function readMember(instance: object, key: PropertyKey): unknown {
  try {
    return (instance as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

/**
 * Returns a function that reads one member, in the same way as `readMember`. With many classes, this is faster than `readMember`,
 * because V8 caches a property lookup better if the name is constant at that place in the code.
 *
 * @param read accesses the member by a constant name, as in `instance.onModuleDestroy`.
 */
export function memberReader<T>(
  read: (instance: { readonly [Key in keyof T]: unknown }) => unknown,
): (instance: object) => unknown {
  return (instance) => {
    try {
      return read(instance as { readonly [Key in keyof T]: unknown });
    } catch {
      return undefined;
    }
  };
}

/** Returns the value for a key; on first use, creates and adds it. */
export function getOrAdd<K, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => NoInfer<V>,
): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** Returns true for everything that isn't a primitive value, functions included. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof (value as { then?: unknown }).then === 'function';
}

/** Returns a copy without the keys whose value is undefined, so that they don't hide a default. */
export function withoutUndefined(options: object | undefined): object {
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(([, value]) => value !== undefined),
  );
}

interface Subscribable {
  subscribe(observer: {
    next(value: unknown): void;
    error(error: unknown): void;
    complete(): void;
  }): { unsubscribe(): void };
}

/**
 * Waits for the handler's return value: a promise, any thenable, or an Observable, whose last value counts. An abort unsubscribes
 * from an Observable, which ends it; a promise can't be ended from outside.
 */
export function settle(result: unknown, tick: { readonly signal: AbortSignal }): unknown {
  const last = (value: unknown): unknown =>
    isSubscribable(value) ? lastValue(value, tick.signal) : value;
  return isThenable(result) ? Promise.resolve(result).then(last) : last(result);
}

function isSubscribable(value: unknown): value is Subscribable {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Subscribable>).subscribe === 'function' &&
    typeof (value as { pipe?: unknown }).pipe === 'function'
  );
}

function lastValue(source: Subscribable, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    let last: unknown;
    let subscription: { unsubscribe(): void } | undefined;
    const onAbort = (): void => {
      reject(signal.reason as Error);
      subscription?.unsubscribe(); // the signal's guard reports a teardown that throws
    };
    const done = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    subscription = source.subscribe({
      next: (value) => (last = value),
      error: (error) => done(() => reject(error as Error)),
      complete: () => done(() => resolve(last)),
    });
    if (signal.aborted) subscription.unsubscribe(); // aborted during `subscribe()`
  });
}

/** Returns everything that can be reached from an element, the element itself first. */
export function reachable<T>(from: T, next: (element: T) => Iterable<T>): ReadonlySet<T> {
  const reached = new Set([from]);
  for (const element of reached) for (const further of next(element)) reached.add(further);
  return reached;
}
