import { isFactory, type NestWrapper } from '../nest/index.js';
import { readMember } from '../util/values.js';

/** How an instance is called in reports: by its class; the plain object of a factory by the provider's token. */
export function classNameOf(instance: object, wrapper: NestWrapper): string {
  if (!isFactory(wrapper) && wrapper.metatype) return wrapper.metatype.name;
  const { name } = (readMember(instance, 'constructor') ?? {}) as { name?: unknown };
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : String(wrapper.name);
}
