import 'reflect-metadata';
import type { ConsumerOptions } from '../schedule/consumer-options.js';
import { prototypesOf } from '../util/values.js';
import type { HandlerDefaults, HandlerOptions, ScheduleKind } from '../schedule/handler-options.js';

const WORKER = Symbol.for('nestjs-scoped-worker:worker');
const HANDLERS = Symbol.for('nestjs-scoped-worker:handlers');

/** Options of `@ScopedWorker()`: defaults for all handlers of the class. */
export type ScopedWorkerOptions = HandlerDefaults;

/** The metadata of a decorator on a method. */
export interface HandlerMetadata {
  readonly kind: ScheduleKind;
  /** The decorator as written in the code, for error texts: `@ScopedCron`. */
  readonly decorator: string;
  readonly method: string;
  readonly isStatic: boolean;
  /** True for decorators from `@nestjs/schedule`: the library calls the method as Nest would, without arguments or enhancers. */
  readonly isAdopted?: boolean;
  /** A cron expression, a number of milliseconds, a date, a factory that returns one of them, or a source's token; unchecked. */
  readonly when: unknown;
  /** The options of the decorator, unchecked. */
  readonly options: HandlerOptions | ConsumerOptions | undefined;
}

const declaredWorkers = new Set<WeakRef<Function>>();

export function markWorker(target: Function, options: ScopedWorkerOptions | undefined): void {
  Reflect.defineMetadata(WORKER, options ?? {}, target);
  declaredWorkers.add(new WeakRef(target));
}

/** Returns the options of a worker class, own or inherited; undefined if the class isn't a worker. */
export function workerOptions(target: Function): ScopedWorkerOptions | undefined {
  return Reflect.getMetadata(WORKER, target) as ScopedWorkerOptions | undefined;
}

/** Returns true if the class itself is marked; false if it only inherits the mark. */
export function isMarkedItself(worker: Function): boolean {
  return Reflect.hasOwnMetadata(WORKER, worker);
}

/** Returns every class in this process that is marked as a worker. */
export function allDeclaredWorkers(): Function[] {
  return [...declaredWorkers].map((ref) => ref.deref()).filter((worker) => worker !== undefined);
}

/** Returns a decorator that marks a method as a handler. */
export function handlerDecorator(
  handler: Pick<HandlerMetadata, 'kind' | 'decorator' | 'when' | 'options'>,
): (target: object, method: string | symbol) => void {
  return (target, key) => {
    const method = String(key);
    const isStatic = typeof target === 'function';
    const owner = isStatic ? target : target.constructor;
    const own = ownHandlers(owner);
    // JavaScript applies a method's decorators from last to first. Inserting each before the others restores the source order.
    const first = own.findIndex((other) => other.method === method);
    const at = first === -1 ? own.length : first;
    Reflect.defineMetadata(HANDLERS, own.toSpliced(at, 0, { ...handler, method, isStatic }), owner);
  };
}

/**
 * Returns the handlers of a class, including inherited ones. Decorators on an overriding method replace those on the overridden
 * one; an overriding method without a decorator inherits them.
 */
export function handlersOf(target: Function): HandlerMetadata[] {
  const handlers: HandlerMetadata[] = [];
  const decorated = new Set<string>();
  for (const owner of prototypesOf(target)) {
    const found = ownHandlers(owner).filter((handler) => !decorated.has(keyOf(handler)));
    for (const handler of found) decorated.add(keyOf(handler));
    handlers.push(...found);
  }
  return handlers;
}

function ownHandlers(owner: object): HandlerMetadata[] {
  return (Reflect.getOwnMetadata(HANDLERS, owner) as HandlerMetadata[] | undefined) ?? [];
}

/** Returns a unique key: a static method and an instance method may have the same name. */
function keyOf({ isStatic, method }: HandlerMetadata): string {
  return `${isStatic ? 'static ' : ''}${method}`;
}
