import 'reflect-metadata';
import { Inject, Injectable, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { InvalidScheduleError, refuseBare } from '../errors/errors.js';
import { markWorker, type ScopedWorkerOptions } from './handler-metadata.js';

/**
 * Marks a class as a worker: a request-scoped provider that Nest builds again for each tick of its handlers. A module must
 * provide the class. On a controller, put the decorator above `@Controller()`.
 *
 * @param options defaults for all handlers of the class; the options of a handler take precedence.
 * @publicApi
 */
export function ScopedWorker(options?: ScopedWorkerOptions): ClassDecorator {
  refuseBare('@ScopedWorker()', arguments);
  return (target) => {
    if (MODULE_KEYS.some((key) => Reflect.hasOwnMetadata(key, target)))
      throw new InvalidScheduleError([
        `${target.name}: @ScopedWorker is on a module, which Nest builds once. Move the handlers to a provider marked @ScopedWorker().`,
      ]);
    Injectable({ scope: Scope.REQUEST })(target);
    markWorker(target, options);
  };
}

/**
 * The keys under which `@Module()` stores its metadata. If `@Module()` is above `@ScopedWorker()`, or stores nothing, the check
 * finds no key, but Nest rejects the class.
 */
const MODULE_KEYS = ['imports', 'controllers', 'providers', 'exports'];

const INJECTS_TICK = Symbol.for('nestjs-scoped-worker:injects-tick');

/**
 * Injects the `Tick` into the worker, or into a provider that the worker depends on. This makes the provider request-scoped. The
 * decorator is an alias of `@Inject(REQUEST)`: in an HTTP request, it injects that request, and in a standalone scope,
 * `seed.request`.
 *
 * @publicApi
 */
export function InjectTick(): PropertyDecorator & ParameterDecorator {
  refuseBare('@InjectTick()', arguments);
  const inject = Inject(REQUEST);
  return (target: object, key?: string | symbol, index?: number): void => {
    const owner = typeof target === 'function' ? target : target.constructor;
    Reflect.defineMetadata(INJECTS_TICK, true, owner);
    inject(target, key, index as number);
  };
}

/** Returns true if a class injects the tick: such a class is written for workers. */
export function injectsTick(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getMetadata(INJECTS_TICK, type) === true;
}

const STAYS_SINGLETON = Symbol.for('nestjs-scoped-worker:stays-singleton');

/**
 * Declares that a class, such as a pool, a client or a cache, must stay a singleton. Start-up fails if the class depends on a
 * request-scoped provider, directly or through others, because Nest would build the class again for every scope. The error shows
 * the path to that provider (`singleton-rebuilt`, SW201). The decorator has no other effect, and doesn't make the class a
 * provider.
 *
 * @publicApi
 */
export function StaysSingleton(): ClassDecorator {
  refuseBare('@StaysSingleton()', arguments);
  return (target) => Reflect.defineMetadata(STAYS_SINGLETON, true, target);
}

/** Returns true if the class itself has the decorator. Subclasses don't inherit it, because they may have other dependencies. */
export function staysSingleton(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getOwnMetadata(STAYS_SINGLETON, type) === true;
}
