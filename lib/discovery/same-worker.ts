import { ModuleRef } from '@nestjs/core';
import { handlersOf, workerOptions, type HandlerMetadata } from '../decorators/handler-metadata.js';
import {
  declaredTokens,
  enhancerClasses,
  injectedToken,
  injectionsOf,
  isOwnToken,
  kindOf,
  type Injection,
  type NestModule,
  type NestWrapper,
} from '../nest/index.js';
import { seenProvider } from '../nest/seen-provider.js';
import { isFromProviders } from '../schedule/from-providers.js';
import { getOrAdd } from '../util/values.js';
import { compareValues } from './compare-values.js';

/** The difference that turns two providers of one class into two workers. */
export interface Difference {
  /** The token for which the modules of the two workers have different providers. */
  readonly token: unknown;
}

/** A class with handlers, and the provider that builds it. */
export interface HandlerClass {
  readonly workerClass: Function;
  readonly wrapper: NestWrapper;
  /** Every module that provides the class with the same dependencies; the first one builds it. */
  readonly modules: NestModule[];
  /** The difference from an earlier provider of the same class. */
  readonly difference?: Difference | undefined;
  readonly handlers: readonly HandlerMetadata[];
}

/**
 * Compares the dependencies of two providers of one class. Providing one class in two modules is usually a mistake, so the class
 * runs only once. But a module that is configured twice has two workers, each with its own dependencies.
 *
 * Some dependencies can't be compared: a factory that is created for each import, or a class instance. They count as different if
 * one module is imported twice, but as equal if two modules provide the class.
 *
 * @returns the difference; undefined if the providers are one worker.
 */
function differenceBetween(one: NestWrapper, other: NestWrapper): Difference | undefined {
  const comparison = new Comparison();
  let certain = comparison.providers(one, other);
  for (const token of tokensAskedFor(one)) certain ??= comparison.seen(token, one, other);
  if (certain !== undefined) return certain;
  const isConfiguredTwice = one.host !== other.host && one.host?.metatype === other.host?.metatype;
  return isConfiguredTwice ? comparison.doubt : undefined;
}

/** Returns the known provider that is the same worker, or else the difference from the last known provider. */
export function sameAmong<Known extends { readonly wrapper: NestWrapper }>(
  all: readonly Known[],
  wrapper: NestWrapper,
): { readonly known?: Known; readonly difference?: Difference | undefined } {
  let difference: Difference | undefined;
  for (const known of all) {
    difference = differenceBetween(known.wrapper, wrapper);
    if (difference === undefined) return { known };
  }
  return { difference };
}

/** Adds a provided class to the known ones: as one more module of a known worker, or as another worker. */
export function addPlace<Known extends HandlerClass>(all: Known[], found: Known): void {
  const { known, difference } = sameAmong(
    all.filter(({ workerClass }) => workerClass === found.workerClass),
    found.wrapper,
  );
  if (known === undefined) all.push({ ...found, difference });
  else known.modules.push(...found.modules);
}

/**
 * Returns the tokens that the decorators of a worker inject, and those that its enhancers inject. Nest doesn't count the tokens
 * of enhancers as injections if a factory provides the worker or, before 11.2, if `useClass` does.
 */
function tokensAskedFor({ metatype, token }: NestWrapper): unknown[] {
  const owner = [metatype, token].find(
    (candidate) => typeof candidate === 'function' && workerOptions(candidate) !== undefined,
  ) as Function | undefined;
  if (owner === undefined) return [];
  const handlers = handlersOf(owner);
  const sources = handlers.flatMap(({ kind, when }) => (kind === 'message' ? [when] : []));
  const given = [
    ...handlers.flatMap(({ when, options }) => [when, ...Object.values(options ?? {})]),
    ...Object.values(workerOptions(owner)!),
  ];
  const injected = given.flatMap((value) =>
    isFromProviders(value) && Array.isArray(value.inject) ? (value.inject as unknown[]) : [],
  );
  const enhancers = handlers.flatMap(({ method }) => enhancerClasses(owner, method));
  const ofEnhancers = [...new Set(enhancers)].flatMap(declaredTokens);
  return [...sources, ...injected.map(injectedToken), ...ofEnhancers].filter(
    (asked) => asked !== undefined && asked !== null,
  );
}

class Comparison {
  /** A possible difference, used if no definite one is found. */
  doubt: Difference | undefined;
  readonly #compared = new Map<NestWrapper, Set<NestWrapper>>();

  /** Returns a definite difference between two providers, if there is one; keeps a possible one in `doubt`. */
  providers(one: NestWrapper, other: NestWrapper): Difference | undefined {
    if (one === other || this.#compared.get(one)?.has(other) === true) return undefined;
    getOrAdd(this.#compared, one, () => new Set()).add(other);
    const different = { token: one.token };
    if (kindOf(one) !== kindOf(other)) return different;
    // The factories of connections look alike, but their tokens identify the data source and say whether a transaction is used.
    if (isOwnToken(one.token) && one.token !== other.token) return different;
    switch (kindOf(one)) {
      case 'value':
        return this.values(one.instance, other.instance, different);
      case 'class':
        if (one.metatype !== other.metatype) return different;
        return one.token === ModuleRef ? this.modules(one, other) : this.injections(one, other);
      case 'alias':
        return this.injections(one, other);
      case 'factory':
        return this.injections(one, other) ?? this.factories(one, other, different);
    }
  }

  /** Compares the providers that two modules see for a token. */
  seen(token: unknown, one: NestWrapper, other: NestWrapper): Difference | undefined {
    const [first, second] = [one, other].map(({ host }) => host && seenProvider(host, token));
    return first === undefined || second === undefined ? undefined : this.providers(first, second);
  }

  private injections(one: NestWrapper, other: NestWrapper): Difference | undefined {
    const [more, fewer] = [injectionsOf(one), injectionsOf(other)].toSorted(
      (left, right) => right.length - left.length,
    ) as [Injection[], Injection[]];
    for (const [index, { at, wrapper }] of more.entries()) {
      const counterpart = fewer[index];
      const found =
        counterpart?.at === at
          ? this.providers(wrapper, counterpart.wrapper)
          : { token: wrapper.token }; // an optional dependency that only one provider has
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Compares the providers of two modules by token, because `ModuleRef` lets a provider access everything in its module. */
  private modules(one: NestWrapper, other: NestWrapper): Difference | undefined {
    for (const [token, wrapper] of one.host?.providers ?? []) {
      const counterpart = other.host?.providers.get(token);
      const found = counterpart && this.providers(wrapper, counterpart);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private factories(
    one: NestWrapper,
    other: NestWrapper,
    different: Difference,
  ): Difference | undefined {
    if (one.metatype === other.metatype) return undefined;
    if (String(one.metatype) !== String(other.metatype)) return different;
    const areMade = [one, other].every(
      (wrapper) =>
        // The instance is null in Nest's preview mode, which doesn't call the factory.
        wrapper.isDependencyTreeStatic() && (wrapper.instance ?? undefined) !== undefined,
    );
    if (areMade) return this.values(one.instance, other.instance, different);
    this.doubt ??= different;
    return undefined;
  }

  private values(one: unknown, other: unknown, different: Difference): Difference | undefined {
    const verdict = compareValues(one, other);
    if (verdict === 'different') return different;
    if (verdict === 'unknown') this.doubt ??= different;
    return undefined;
  }
}
