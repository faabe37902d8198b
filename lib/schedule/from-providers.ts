/**
 * A value that providers give, at start-up: `{ inject: [ConfigService], useFactory: (config) => config.get('CRON') }`.
 *
 * @publicApi
 */
export interface FromProviders<T> {
  /** Tokens of the providers that `useFactory` is given, in this order. Default: none. */
  readonly inject?: readonly unknown[];
  // oxlint-disable-next-line typescript/no-explicit-any -- as in Nest's own FactoryProvider: the tokens carry no types
  readonly useFactory: (...injected: any[]) => T | Promise<T>;
}

export function isFromProviders(value: unknown): value is FromProviders<unknown> {
  return typeof value === 'object' && value !== null && 'useFactory' in value;
}

/** Says what is wrong with something that should be `{ inject, useFactory }`, or undefined. */
export function fromProvidersProblem(value: unknown): string | undefined {
  const { inject, useFactory } = (value ?? {}) as Partial<FromProviders<unknown>>;
  if (typeof useFactory !== 'function')
    return 'must be { inject, useFactory } with a function as useFactory';
  if (inject === undefined) return undefined;
  if (!Array.isArray(inject)) return 'must have a list of tokens as inject';
  const missing = inject.findIndex((token) => token === undefined || token === null);
  if (missing >= 0)
    return `has no token at inject[${missing}]: look for an import that goes in a circle`;
  return undefined;
}
