import 'reflect-metadata';
import { Inject } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';

const INJECTS_TICK = Symbol.for('nestjs-scoped-worker:injects-tick');

/**
 * Injects the `Tick` into the worker or anything that it depends on; the provider becomes request-scoped
 * by that. The same as `@Inject(REQUEST)`, by its right name: in an HTTP request it gives the HTTP request,
 * in a scope by hand its `seed.request`.
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

/** True for a class that asks for the tick, and so is written for workers. */
export function injectsTick(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getMetadata(INJECTS_TICK, type) === true;
}
