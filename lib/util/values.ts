/** True for a class, which cannot be called. Only the `prototype` of a class is read-only. */
export function isClass(value: unknown): value is Function {
  return (
    typeof value === 'function' &&
    Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
  );
}

/** True if a class or one of its base classes has a method. Reads no property, because a getter must not run. */
export function hasMethod(type: Function, method: PropertyKey): boolean {
  for (
    let prototype: unknown = type.prototype;
    typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    const property = Object.getOwnPropertyDescriptor(prototype, method);
    if (property !== undefined) return typeof property.value === 'function';
  }
  return false;
}

/** Reads a member of an object that may be a proxy or have a getter that throws; undefined if it throws. */
export function readMember(instance: object, key: PropertyKey): unknown {
  try {
    return (instance as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Returns a copy without the keys whose value is undefined, so that they don't hide a default. */
export function withoutUndefined(options: object | undefined): object {
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(([, value]) => value !== undefined),
  );
}
