import * as common from '@nestjs/common';
import { UnsupportedNestError } from '../errors/errors.js';
import type { NestInjector, NestWrapper } from './nest-types.js';

/**
 * Rejects Nest 10 and older, which call `onModuleDestroy` in the order of `onModuleInit` (`NestApplicationContext#callDestroyHook`
 * in 10.4.22). Nest 11 and 12 use the reverse order. In Nest 10, `NestInside.stopFirst` would run the drain last, after pools have
 * closed.
 *
 * Nest exports no version, and a bundle or a test may have no manifest. So this function looks for `IntrinsicException`, which has
 * been public since 11.0.0.
 *
 * @throws {UnsupportedNestError}
 */
export function refuseOldNest(nest: object = common): void {
  if ('IntrinsicException' in nest) return;
  throw new UnsupportedNestError(
    'this application runs an older version, which destroys modules on shutdown while ticks are still running. Upgrade its @nestjs packages',
  );
}

/** The methods of Nest's injector that the library wraps or calls; the same from 11.0.0 to 12.5.1. */
const METHODS = [
  'instantiateClass',
  'resolveProperties',
  'getContextId',
  'loadPerContext',
] as const;

/**
 * Rejects a version of Nest whose injector lacks a method that the library needs: without it, the library couldn't dispose
 * anything.
 *
 * @throws {UnsupportedNestError}
 */
export function refuseUnknownInjector(injector: Partial<NestInjector> | undefined): void {
  const missing = METHODS.find((method) => typeof injector?.[method] !== 'function');
  if (missing === undefined) return;
  throw new UnsupportedNestError(
    `the injector of this @nestjs/core has no method ${missing}, without which the library can't see what to dispose. Install a version that docs/compatibility.md lists`,
  );
}

/** A wrapper that also declares `addCtorMetadata()` of Nest's `InstanceWrapper`, which is the same from 11.0.0 to 12.5.1. */
interface GrowingWrapper extends NestWrapper {
  addCtorMetadata(index: number, dependency: NestWrapper): void;
}

/**
 * Rejects Nest 11.1.20 to 11.1.23 (nestjs/nest#16939, #16947). While the dependencies of a provider are still being resolved,
 * these versions decide whether the provider is static, and cache the answer. This function tests for that with two wrappers,
 * because a bundle has no version to read. Releases before 11.1.20 cache the answer as well, but decide later; their injector has
 * no `createResolutionContext()`.
 *
 * @throws {UnsupportedNestError}
 */
export function refuseEarlyLifetimes(injector: object, wrapper: NestWrapper): void {
  if (!('createResolutionContext' in injector)) return;
  const Wrapper = wrapper.constructor as new (metadata: object) => GrowingWrapper;
  const dependent = new Wrapper({ scope: common.Scope.DEFAULT });
  dependent.isDependencyTreeStatic();
  dependent.addCtorMetadata(0, new Wrapper({ scope: common.Scope.REQUEST }));
  if (!dependent.isDependencyTreeStatic()) return;
  throw new UnsupportedNestError(
    'this application runs a release from 11.1.20 to 11.1.23, which builds request-scoped providers once for the whole application. Install @nestjs/core and @nestjs/common 11.1.24 or newer',
  );
}
