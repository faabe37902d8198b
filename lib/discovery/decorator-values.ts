import { show } from '../util/option-checks.js';
import { stackOf, textOf } from '../errors/error-parts.js';
import {
  Application,
  isSingleton,
  tokenText,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { seenProvider } from '../nest/seen-provider.js';
import { fromProvidersProblem, noToken, type FromProviders } from '../schedule/from-providers.js';
import { injectedToken } from '../nest/tokens.js';

/** A value, or one clause that says why it is missing. */
export type Provided =
  | { readonly value: unknown; readonly problem?: never }
  | { readonly value?: never; readonly problem: string };

/** Gets the values that a decorator leaves to providers: an expression, a period or a message source. */
export class ProvidedValues {
  constructor(private readonly application: Application) {}

  /** Calls the factory of `{ inject, useFactory }` with singletons, which are looked up from `module`. */
  async fromFactory(given: FromProviders<unknown>, module: NestModule): Promise<Provided> {
    const injected = this.injectedInto(given, module);
    if (injected.problem !== undefined) return injected;
    try {
      return { value: await given.useFactory(...(injected.value as unknown[])) };
    } catch (error) {
      return { problem: `has a useFactory that threw: ${textOf(error)} (${placeOf(error)})` };
    }
  }

  /** Returns the reason why the factory can't be called; undefined if it can. Doesn't call the factory. */
  factoryProblem(given: FromProviders<unknown>, module: NestModule): string | undefined {
    return this.injectedInto(given, module).problem;
  }

  singleton(token: unknown, module: NestModule): Provided {
    if (token === undefined || token === null)
      return { problem: 'is undefined. Look for a circular import' };
    const wrapper = seenProvider(module, token) ?? this.anyProvider(token);
    // `ModuleRef.get()` isn't used: if a dependency makes the provider request-scoped, Nest 11.0 returns an object that was never
    // constructed.
    if (wrapper !== undefined && isSingleton(wrapper)) return { value: wrapper.instance };
    const problem =
      wrapper === undefined
        ? 'no module provides. Provide it in a module'
        : 'is not a singleton, because it or one of its dependencies has a scope. Remove that scope';
    return { problem: `names ${nameOf(token)}, which ${problem}` };
  }

  private injectedInto(given: FromProviders<unknown>, module: NestModule): Provided {
    const problem = fromProvidersProblem(given);
    if (problem !== undefined) return { problem };
    const injected: unknown[] = [];
    for (const [index, entry] of (given.inject ?? []).entries()) {
      const token = injectedToken(entry);
      if (token === undefined || token === null) return { problem: noToken(index) };
      const found = this.singleton(token, module);
      if (found.problem !== undefined) return found;
      injected.push(found.value);
    }
    return { value: injected };
  }

  /** Returns the last provider of the token in the whole application, as `ModuleRef` does. */
  private anyProvider(token: unknown): NestWrapper | undefined {
    return [...this.application.modules.values()]
      .map(({ providers }) => providers.get(token))
      .findLast((wrapper) => wrapper !== undefined);
  }
}

function nameOf(token: unknown): string {
  return typeof token === 'function' || typeof token === 'string' ? tokenText(token) : show(token);
}

function placeOf(error: unknown): string {
  return /\n\s+at (.*)/.exec(stackOf(error) ?? '')?.[1] ?? 'no stack';
}
