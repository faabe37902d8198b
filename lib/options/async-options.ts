import type { Provider } from '@nestjs/common';
import { optionsProblems, show } from '../util/option-checks.js';
import { refuseInvalid } from '../errors/errors.js';
import { type ASYNC_OPTIONS_TYPE, SCOPED_WORKER_OPTIONS } from './module-options.js';

export type AsyncOptions = typeof ASYNC_OPTIONS_TYPE;

const CALL = 'ScopedWorkerModule.forRootAsync()';
const WAYS = ['useFactory', 'useClass', 'useExisting'] as const;
const KNOWN = [...WAYS, 'inject', 'imports', 'provideInjectionTokensFrom'];

/** Rejects an invalid argument of `forRootAsync()`. @throws {InvalidOptionsError} listing every problem. */
export function refuseAsyncOptions(options: AsyncOptions): void {
  const problems = optionsProblems(options, KNOWN);
  const given = (options ?? {}) as Readonly<Record<string, unknown>>;
  const ways = WAYS.filter((way) => given[way] !== undefined);
  if (problems.length === 0 && ways.length === 0)
    problems.push(`needs one of ${WAYS.join(', ')} to supply the options`);
  if (ways.length > 1) problems.push(`has ${ways.join(' and ')}; keep one of them`);
  for (const way of ways) {
    const what = way === 'useFactory' ? 'a function' : 'a class with a create() method';
    const value = given[way];
    const isToken = way === 'useExisting' && ['string', 'symbol'].includes(typeof value);
    if (typeof value !== 'function' && !isToken)
      problems.push(`${way} must be ${what}, not ${show(value)}`);
  }
  refuseInvalid(CALL, problems);
}

/**
 * Wraps the provider that Nest creates from the options of `forRootAsync()`, to catch two mistakes: a class without `create()`, and
 * an undefined result. The module would otherwise mistake such a result for an import without options.
 */
export function checkedProvider(provider: Provider, { useFactory }: AsyncOptions): Provider {
  if (!('useFactory' in provider) || !isProviderOfOptions(provider)) return provider;
  const ask = provider.useFactory;
  return {
    ...provider,
    useFactory: async (...injected: unknown[]): Promise<unknown> => {
      if (useFactory === undefined) refuseNoCreate(injected[0]);
      return (await ask(...injected)) ?? null;
    },
  };
}

export function isProviderOfOptions(provider: Provider): boolean {
  return 'provide' in provider && provider.provide === SCOPED_WORKER_OPTIONS;
}

function refuseNoCreate(factory: unknown): void {
  if (typeof (factory as { create?: unknown } | null | undefined)?.create === 'function') return;
  const name = (factory as object | null | undefined)?.constructor?.name ?? show(factory);
  refuseInvalid(CALL, [`${name} has no create() method; add one that returns the options`]);
}
