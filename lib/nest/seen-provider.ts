import { INQUIRER, REQUEST } from '@nestjs/core';
import type { NestModule, NestWrapper } from './nest-types.js';
import { isSingleton } from './provider-kind.js';

/**
 * Returns the provider that a module sees under a token: its own, or else the first that its imports export. Nest's injector finds
 * the same provider for dependents in that module. `ModuleRef` finds only the provider of the module itself, or that of the last
 * module in the application that has the token.
 */
export function seenProvider(module: NestModule, token: unknown): NestWrapper | undefined {
  return module.providers.get(token) ?? exportedTo(module, token, new Set([module]));
}

/**
 * Returns true if a scope can resolve the token: `module` sees it, or one of `modules` has it. `ModuleRef` doesn't find
 * controllers; `NestInside.resolve()` finds those that aren't singletons.
 */
export function canResolve(
  token: unknown,
  modules: Iterable<NestModule>,
  module: NestModule | undefined,
): boolean {
  if (module !== undefined && seenProvider(module, token) !== undefined) return true;
  return [...modules].some(
    ({ providers, injectables, controllers }) =>
      providers.has(token) ||
      injectables.has(token) ||
      controllers.get(token)?.isDependencyTreeStatic() === false,
  );
}

/**
 * Returns true for `REQUEST` and `INQUIRER`, which can be resolved only during a build. Returns false if the application provides
 * the token as a singleton.
 */
export function isOfBuild(token: unknown, module: NestModule | undefined): boolean {
  if (token !== REQUEST && token !== INQUIRER) return false;
  const seen = module && seenProvider(module, token);
  const isOfApplication = seen !== undefined && isSingleton(seen);
  return !isOfApplication;
}

function exportedTo(
  { imports = new Set(), exports }: NestModule,
  token: unknown,
  visited: Set<NestModule>,
  isImported = false,
): NestWrapper | undefined {
  for (const module of imports) {
    if (visited.has(module) || (isImported && exports?.has(module.metatype) !== true)) continue;
    visited.add(module);
    const own = module.exports?.has(token) === true ? module.providers.get(token) : undefined;
    const found = own ?? exportedTo(module, token, visited, true);
    if (found !== undefined) return found;
  }
  return undefined;
}
