import type { NestWrapper } from './nest-types.js';

export function isFactory(wrapper: NestWrapper): boolean {
  return wrapper.inject !== null && wrapper.inject !== undefined;
}
