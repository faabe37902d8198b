/** True when instances of a class have a method. Looks without reading: a getter must not run. */
export function hasMethod(workerClass: Function, method: string): boolean {
  for (
    let owner: unknown = workerClass.prototype;
    owner !== null;
    owner = Object.getPrototypeOf(owner)
  ) {
    const property = Object.getOwnPropertyDescriptor(owner, method);
    if (property !== undefined) return typeof property.value === 'function';
  }
  return false;
}
