/** A copy without the keys whose value is undefined, so that they do not hide a default. */
export function withoutUndefined(options: object | undefined): object {
  return Object.fromEntries(
    Object.entries(options ?? {}).filter(([, value]) => value !== undefined),
  );
}
