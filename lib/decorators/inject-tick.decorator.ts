import 'reflect-metadata';
import { Inject } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';

const INJECTS_TICK = Symbol.for('nestjs-scoped-worker:injects-tick');

/**
 * Injects the `Tick` into the worker, or into a provider that it depends on. This makes the provider request-scoped. The
 * decorator is another name for `@Inject(REQUEST)`: it injects the HTTP request in an HTTP request, and `seed.request` in a
 * scope by hand.
 *
 * @publicApi
 */
export function InjectTick(): PropertyDecorator & ParameterDecorator {
  const inject = Inject(REQUEST);
  return (target: object, key?: string | symbol, index?: number): void => {
    const owner = typeof target === 'function' ? target : target.constructor;
    Reflect.defineMetadata(INJECTS_TICK, true, owner);
    inject(target, key, index as number);
  };
}

/** True if a class injects the tick: it is written for workers. */
export function injectsTick(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getMetadata(INJECTS_TICK, type) === true;
}
