import * as common from '@nestjs/common';
import { UnsupportedNestError } from '../errors/index.js';

/**
 * Refuses Nest 10 and older. They call `onModuleDestroy` in the order of `onModuleInit` (`NestApplicationContext#callDestroyHook`
 * of 10.4.22), Nest 11 and 12 in the reverse order: `NestInside.stopFirst` would make the drain the last hook, after pools have closed.
 *
 * Nest exports no version, and a bundle or a test has no manifest to read it from. `IntrinsicException` is public since 11.0.0.
 *
 * @throws {UnsupportedNestError}
 */
export function refuseOldNest(nest: object = common): void {
  if (!('IntrinsicException' in nest)) throw new UnsupportedNestError();
}
