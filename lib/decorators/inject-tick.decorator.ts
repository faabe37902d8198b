import { Inject } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';

/**
 * Injects the `Tick` into the worker or anything that it depends on; the provider becomes request-scoped
 * by that. The same as `@Inject(REQUEST)`, by its right name: in an HTTP request it gives the HTTP request,
 * in a scope by hand its `seed.request`.
 *
 * @publicApi
 */
export function InjectTick(): PropertyDecorator & ParameterDecorator {
  return Inject(REQUEST);
}
