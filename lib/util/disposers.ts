/** The disposers of an instance, in order of preference: only the first one that the instance has is called. */
export const DISPOSERS = [
  [Symbol.asyncDispose, '[Symbol.asyncDispose]'],
  [Symbol.dispose, '[Symbol.dispose]'],
  ['onModuleDestroy', 'onModuleDestroy'],
] as const;
