/** True for a class, which cannot be called: its `prototype` cannot be replaced; a function has none, or one that can. */
export function isClass(value: unknown): value is Function {
  return (
    typeof value === 'function' &&
    Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
  );
}
