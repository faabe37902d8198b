import { types } from 'node:util';
import { show } from '../util/option-checks.js';
import { injectedToken, tokenText, type Application, type NestModule } from '../nest/index.js';
import { canResolve, isOfBuild } from '../nest/seen-provider.js';

/**
 * A value that providers supply at start-up: `{ inject: [ConfigService], useFactory: (config) => config.get('CRON') }`.
 *
 * @publicApi
 */
export interface FromProviders<T> {
  /** Tokens of the providers that `useFactory` receives, in this order. Default: none. */
  readonly inject?: readonly unknown[];
  // oxlint-disable-next-line typescript/no-explicit-any -- as in Nest's own FactoryProvider: the tokens carry no types
  readonly useFactory: (...injected: any[]) => T | Promise<T>;
}

/** Returns true for a factory. A schedule is undecided until `SchedulePlanner` calls the factory for its timing. */
export function isFromProviders(value: unknown): value is FromProviders<unknown> {
  return typeof value === 'object' && value !== null && 'useFactory' in value;
}

/** Returns the problem with a value that should be `{ inject, useFactory }`, or undefined. */
export function fromProvidersProblem(value: unknown): string | undefined {
  const { inject, useFactory } = (value ?? {}) as Partial<FromProviders<unknown>>;
  if (typeof useFactory !== 'function')
    return 'must be { inject, useFactory } with a function as useFactory';
  if (types.isGeneratorFunction(useFactory) && types.isAsyncFunction(useFactory))
    return 'has an async generator as useFactory: make it an async function that returns the value';
  if (inject === undefined) return undefined;
  if (!Array.isArray(inject)) return 'must have a list of tokens as inject';
  const missing = inject.findIndex((token) => token === undefined || token === null);
  return missing < 0 ? undefined : noToken(missing);
}

/**
 * Returns the problem that keeps a scope from resolving what a factory injects, or undefined.
 *
 * @param module The module to search before all others.
 */
export function unresolvableProblem(
  { inject = [] }: FromProviders<unknown>,
  { modules }: Pick<Application, 'modules'>,
  module: NestModule | undefined,
): string | undefined {
  for (const [index, entry] of inject.entries()) {
    const token = injectedToken(entry);
    if (token === undefined || token === null) return noToken(index);
    if (isOfBuild(token, module))
      return `injects ${tokenText(token)}, which does not exist yet: the factory runs before the ticks of its items begin`;
    if (canResolve(token, modules.values(), module)) continue;
    const where = module === undefined ? 'a module' : module.name;
    return `injects ${typeof token === 'object' ? show(token) : tokenText(token)}, but no module provides it: add it to the providers of ${where}`;
  }
  return undefined;
}

export function noToken(index: number): string {
  return `has no token at inject[${index}]: look for a circular import`;
}
