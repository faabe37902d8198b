/** How an instance may be disposed, in the order of preference: the first that it has is called. */
export const DISPOSERS = [
  [Symbol.asyncDispose, '[Symbol.asyncDispose]'],
  [Symbol.dispose, '[Symbol.dispose]'],
  ['onModuleDestroy', 'onModuleDestroy'],
] as const;
