import { createObserveModule } from '@nestjs/observe';
import type { InstanceDecorator } from './app.js';

/** Instance decorators that applications have. */
export const DECORATORS: Readonly<Record<string, () => InstanceDecorator>> = {
  'a plain Proxy': () => plainProxy,
  'a Proxy that binds methods': () => bindingProxy,
  '@nestjs/observe': () => createObserveModule().ObserveInstrument!.instanceDecorator,
};

/** The least that a decorator can be. */
export function plainProxy(instance: unknown): unknown {
  return typeof instance === 'object' && instance !== null ? new Proxy(instance, {}) : instance;
}

/** As home-made loggers of calls are: methods run on the instance itself, so that private fields work. */
export function bindingProxy(instance: unknown): unknown {
  if (typeof instance !== 'object' || instance === null) return instance;
  return new Proxy(instance, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' && key !== 'constructor'
        ? (value.bind(target) as unknown)
        : value;
    },
  });
}

/** Nest 11.0 has no `instrument`: it decorates nothing. */
export const DECORATES = process.env['NEST'] !== 'nest11-oldest';
