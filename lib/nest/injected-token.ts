/** The token that an entry of `inject` stands for: itself, or what `forwardRef(() => Token)` gives now. */
export function injectedToken(given: unknown): unknown {
  const { forwardRef } = (given ?? {}) as { forwardRef?: unknown };
  const isReference = typeof given === 'object' && typeof forwardRef === 'function';
  return isReference ? (forwardRef as () => unknown)() : given;
}
