import 'reflect-metadata';
import { INQUIRER } from '@nestjs/core';
import type { NestWrapper } from './nest-types.js';
import { isFactory } from './provider-kind.js';
import { injectedToken } from './tokens.js';
import { seenProvider } from './seen-provider.js';

/** A dependency that Nest injects into a provider. */
export interface Injection {
  /** The injection point: `constructor[0]`, `inject[0]`, `property name`; `enhancer` for an enhancer of a controller. */
  readonly at: string;
  readonly wrapper: NestWrapper;
}

/** A missing dependency of a provider. */
export interface MissingInjection {
  /** The injection point, as in `Injection`. */
  readonly at: string;
  /** Undefined in the case of a circular import. */
  readonly token: unknown;
}

/** Keys from `@nestjs/common/constants`, which Nest 12 doesn't export; the same from 11.0.0 to 12.5.1. */
const PARAM_TYPES = 'design:paramtypes';
const DECLARED_PARAMS = 'self:paramtypes';
const DECLARED_PROPERTIES = 'self:properties_metadata';
const OPTIONAL_PARAMS = 'optional:paramtypes';
const OPTIONAL_PROPERTIES = 'optional:properties_metadata';

/**
 * Returns the dependencies of a provider, in the order in which Nest resolves them. Guards, interceptors, pipes and filters of a
 * controller count as its dependencies.
 *
 * Nest records the dependencies when it first resolves a provider. Nest 11.2 waits for the first request before it resolves a
 * provider that is declared as request-scoped. Until then, this function reads the metadata of the class and looks up each token as
 * Nest does, following aliases to their targets. Leaves out `INQUIRER`, and dependencies that nothing provides.
 */
export function injectionsOf(wrapper: NestWrapper): Injection[] {
  const isMade = isFactory(wrapper);
  const where = isMade ? 'inject' : 'constructor';
  const recorded = wrapper.getCtorMetadata();
  // Keyed by injection point, because Nest 11.0 records a property again for each import that it searches.
  const injections = new Map<string, NestWrapper>();
  const add = (at: string, found: NestWrapper | undefined): void => {
    if (found !== undefined && found.token !== INQUIRER) injections.set(at, found);
  };
  if (recorded !== undefined && !hasHoles(recorded)) {
    for (let index = 0; index < recorded.length; index += 1)
      add(`${where}[${index}]`, recorded[index]);
  } else {
    const params = isMade ? wrapper.inject! : paramsOf(wrapper);
    for (let index = 0; index < params.length; index += 1)
      add(`${where}[${index}]`, recorded?.[index] ?? lookUp(wrapper, params[index]));
  }
  const properties = wrapper.getPropertiesMetadata();
  if (properties !== undefined) {
    for (const { key, wrapper: found } of properties) add(`property ${String(key)}`, found);
  } else if (!isMade) {
    for (const { key, type } of propertiesOf(wrapper))
      add(`property ${String(key)}`, lookUp(wrapper, type));
  }
  return [
    ...[...injections].map(([at, found]) => ({ at, wrapper: found })),
    ...(wrapper.getEnhancersMetadata() ?? []).map((found) => ({
      at: 'enhancer',
      // Nest 11.0 replaces the wrapper of a class after recording it here.
      wrapper: found.host?.injectables.get(found.token) ?? found,
    })),
  ];
}

/**
 * Returns the dependencies that keep Nest from building a provider: those that aren't optional and aren't visible to the provider's
 * module. Nest 12 itself rejects such a provider at start-up. Before the first request, Nest 11.2 doesn't check providers that are
 * declared as request-scoped or transient. If Nest has resolved a provider, nothing counts as missing, because versions differ in
 * what they accept.
 */
export function missingInjectionsOf(wrapper: NestWrapper): MissingInjection[] {
  if (wrapper.initTime !== undefined) return [];
  const found = new Set(injectionsOf(wrapper).map(({ at }) => at));
  return askedFor(wrapper)
    .filter(({ at, given, isOptional }) => !isOptional && !found.has(at) && !isInquirer(given))
    .map(({ at, given }) => ({ at, token: tokenOf(given) }));
}

function askedFor(
  wrapper: NestWrapper,
): { readonly at: string; readonly given: unknown; readonly isOptional: boolean }[] {
  if (isFactory(wrapper))
    return wrapper.inject!.map((given, index) => ({
      at: `inject[${index}]`,
      given,
      isOptional: (given as { optional?: unknown } | null | undefined)?.optional === true,
    }));
  const { metatype } = wrapper;
  if (!metatype) return [];
  // A subclass inherits `@Optional()`. Nest 11 applies it to constructors too; Nest 12 rejects a class that relies on this.
  const optional = (key: string): readonly unknown[] =>
    (Reflect.getMetadata(key, metatype) as readonly unknown[] | undefined) ?? [];
  const optionalParams = optional(OPTIONAL_PARAMS);
  const optionalProperties = optional(OPTIONAL_PROPERTIES);
  return [
    ...Array.from(paramsOf(wrapper), (given, index) => ({
      at: `constructor[${index}]`,
      given,
      isOptional: optionalParams.includes(index),
    })),
    ...propertiesOf(wrapper).map(({ key, type }) => ({
      at: `property ${String(key)}`,
      given: type,
      isOptional: optionalProperties.includes(key),
    })),
  ];
}

/** Returns the tokens of the dependencies that a class declares, even if Nest hasn't scanned that class. */
export function declaredTokens(metatype: Function): unknown[] {
  const given = [...paramsOf({ metatype }), ...propertiesOf({ metatype }).map(({ type }) => type)];
  return given.map(tokenOf).filter((token) => token !== undefined && token !== INQUIRER);
}

/** Returns true for `INQUIRER`, which injects the dependent itself and can never be missing. */
function isInquirer(given: unknown): boolean {
  return tokenOf(given) === INQUIRER;
}

function tokenOf(given: unknown): unknown {
  return injectedToken(optionalToken(given)) ?? undefined;
}

/** The key under which `@WebSocketGateway()` marks a class. */
export const GATEWAY_METADATA = 'websockets:is_gateway';

/** Returns true for a class with `@WebSocketGateway()` from `@nestjs/websockets`. That package might not be installed. */
export function isGateway(type: Function): boolean {
  return Reflect.getMetadata(GATEWAY_METADATA, type) === true;
}

/** Returns true if an entry is missing: a missing optional dependency leaves a hole, and so does `INQUIRER`. */
function hasHoles(recorded: readonly (NestWrapper | undefined)[]): boolean {
  for (let index = 0; index < recorded.length; index += 1)
    if (recorded[index] === undefined) return true;
  return false;
}

function paramsOf({ metatype }: Pick<NestWrapper, 'metatype'>): readonly unknown[] {
  if (!metatype) return [];
  const params = [...((Reflect.getMetadata(PARAM_TYPES, metatype) as unknown[] | undefined) ?? [])];
  const declared = Reflect.getMetadata(DECLARED_PARAMS, metatype) as
    readonly { readonly index: number; readonly param: unknown }[] | undefined;
  for (const { index, param } of declared ?? []) params[index] = param;
  return params;
}

function propertiesOf({ metatype }: Pick<NestWrapper, 'metatype'>): readonly {
  readonly key: PropertyKey;
  readonly type: unknown;
}[] {
  if (!metatype) return [];
  return (
    (Reflect.getMetadata(DECLARED_PROPERTIES, metatype) as
      readonly { key: PropertyKey; type: unknown }[] | undefined) ?? []
  );
}

function lookUp(wrapper: NestWrapper, given: unknown): NestWrapper | undefined {
  const { host } = wrapper;
  const token = tokenOf(given);
  // Nest doesn't look up a dependent's own token.
  if (host === undefined || token === undefined || token === wrapper.token) return undefined;
  const found = seenProvider(host, token);
  return found?.isAlias === true && wrapper.isAlias !== true ? behind(found) : found;
}

/** Returns the target that Nest 11.2 and 12 inject for an alias, or the alias itself if it has no target. */
function behind(alias: NestWrapper): NestWrapper {
  const passed = new Set<NestWrapper>();
  let at: NestWrapper | undefined = alias;
  while (at?.isAlias === true && !passed.has(at)) {
    passed.add(at);
    const token = injectedToken(at.inject?.[0]);
    at = at.host === undefined ? undefined : seenProvider(at.host, token);
  }
  return at === undefined || at.isAlias === true ? alias : at;
}

/** Returns the token in an entry of `inject`: the `token` of `{ token, optional }`, or the entry itself. */
function optionalToken(given: unknown): unknown {
  return typeof given === 'object' && given !== null && 'token' in given ? given.token : given;
}
