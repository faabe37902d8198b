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
