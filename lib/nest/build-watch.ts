import type { ContextId, NestInjector, NestWrapper } from './nest-types.js';

/** Told of what Nest builds under one context id. */
export interface BuildObserver {
  /** Called before a constructor or a factory; throws when nothing may be built any more. */
  beforeBuild(wrapper: NestWrapper): void;
  /** Called with what was built, before anything that depends on it is built; awaited. */
  built(instance: unknown, wrapper: NestWrapper): unknown;
}

/** Where a context id names its observer. A property, because a WeakMap costs every scope a microsecond. */
export const OBSERVER = Symbol('nestjs-scoped-worker:observer');

/** A context id of ours. */
export type ObservedContextId = ContextId & { [OBSERVER]?: BuildObserver };

const watched = new WeakSet<NestInjector>();

/**
 * Follows what an injector builds. Every `ModuleRef` owns an injector, and `resolve()` of that
 * `ModuleRef` builds through it, so this sees the tick's own graph as well as what a handler resolves by
 * hand.
 *
 * `Injector#instantiateClass` is the one place where Nest calls a constructor or a factory. Up to
 * 11.x its fourth argument is the context id, from 12 on a resolution context that holds it.
 *
 * @returns false when this version of Nest has no such method.
 */
export function watchBuilds(injector: NestInjector): boolean {
  const original = injector.instantiateClass;
  if (typeof original !== 'function') return false;
  if (watched.has(injector)) return true;
  watched.add(injector);

  injector.instantiateClass = function (this: NestInjector, ...args: unknown[]): Promise<unknown> {
    const contextId = contextIdOf(args[3]);
    const observer = contextId?.[OBSERVER];
    if (observer === undefined) return original.apply(this, args);
    const wrapper = args[1] as NestWrapper;
    if (livesElsewhere(wrapper, contextId!)) return original.apply(this, args);
    try {
      observer.beforeBuild(wrapper);
    } catch (error) {
      return Promise.reject(error);
    }
    return original.apply(this, args).then((instance) => observer.built(instance, wrapper));
  };
  return true;
}

function contextIdOf(argument: unknown): ObservedContextId | undefined {
  if (typeof argument !== 'object' || argument === null) return undefined;
  return (argument as { contextId?: ContextId }).contextId ?? (argument as ObservedContextId);
}

/** A durable provider that a context id strategy gives a parent is stored under that parent. */
function livesElsewhere(wrapper: NestWrapper, contextId: ContextId): boolean {
  if (contextId.getParent === undefined || !wrapper.isDependencyTreeDurable()) return false;
  return contextId.getParent({ token: wrapper.token as never, isTreeDurable: true }) !== contextId;
}
