/** True for a class, which cannot be called: its `prototype` cannot be replaced; a function has none, or one that can. */
export function isClass(value: unknown): value is Function {
  return (
    typeof value === 'function' &&
    Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
  );
}

/** True when instances of a class have a method of its own or of a base class. Looks without reading: a getter must not run. */
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

/** A member of an object that may be a proxy, or have a getter that throws: such a member is none. */
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

/** A copy without the keys whose value is undefined, so that they do not hide a default. */
export function withoutUndefined(options: object | undefined): object {
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(([, value]) => value !== undefined),
  );
}
