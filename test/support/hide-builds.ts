import { ModuleRef } from '@nestjs/core';
import { Test } from '@nestjs/testing';

/**
 * Makes Nest look like a version whose injector has no method `instantiateClass`: Nest's injector still finds it, everybody
 * else reads `undefined`. It holds for all applications of the test file that are built after it.
 */
export async function hideBuilds(): Promise<void> {
  const app = await Test.createTestingModule({}).compile();
  const { injector } = app.get(ModuleRef) as unknown as { injector: object };
  const prototype = Object.getPrototypeOf(injector) as { instantiateClass: unknown };
  const { instantiateClass } = prototype;
  if (typeof instantiateClass !== 'function') throw new Error('There is no method to hide.');
  Object.defineProperty(prototype, 'instantiateClass', {
    get: () => (isReadByNest() ? instantiateClass : undefined),
  });
  await app.close();
}

function isReadByNest(): boolean {
  // The frames of this function, of the getter, and of whoever reads the property.
  const [, , , reader] = (new Error().stack ?? '').split('\n');
  return reader?.includes('core/injector/injector') === true;
}
