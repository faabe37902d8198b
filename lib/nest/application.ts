import type { NestModule, NestInjector } from './nest-types.js';
import * as common from '@nestjs/common';
import { UnsupportedNestError } from '../errors/errors.js';

/** The modules of an application as Nest keeps them, in the order in which it found them. */
export abstract class Application {
  abstract readonly modules: ReadonlyMap<string, NestModule>;

  constructor() {
    refuseOldNest();
  }

  /**
   * True if `Test.createTestingModule()` created the application, so that it is only a part of one. The name is the same from
   * 11.0.0 to 12.5.1.
   */
  get isTestingModule(): boolean {
    return [...this.modules.values()].some(({ name }) => name === 'RootTestModule');
  }
}

/**
 * Refuses Nest 10 and older. They call `onModuleDestroy` in the order of `onModuleInit` (`NestApplicationContext#callDestroyHook`
 * of 10.4.22), Nest 11 and 12 in the reverse order: `NestInside.stopFirst` would make the drain the last hook, after pools have closed.
 *
 * Nest exports no version, and a bundle or a test has no manifest to read it from. `IntrinsicException` is public since 11.0.0.
 *
 * @throws {UnsupportedNestError}
 */
export function refuseOldNest(nest: object = common): void {
  if ('IntrinsicException' in nest) return;
  throw new UnsupportedNestError(
    'this application runs an older version, which destroys modules on shutdown before running ticks have finished. Upgrade its @nestjs packages',
  );
}

/** The methods of Nest's injector, from 11.0.0 to 12.5.1, by which builds are followed and started. */
const METHODS = ['instantiateClass', 'resolveProperties', 'loadPerContext'] as const;

/**
 * Refuses a Nest whose injector has other methods than those that the library knows: it would dispose nothing.
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
