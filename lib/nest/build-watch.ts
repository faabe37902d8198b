import { BuildReplacement } from './build-replacement.js';
import { objectsOf } from './context-instances.js';
import { handsOn } from './decorations.js';
import { holdsDecorated } from './holding.js';
import { injectionsOf } from './injections.js';
import {
  isFactory,
  type ContextId,
  type NestInjector,
  type NestProperty,
  type NestWrapper,
} from './nest-types.js';

/** Told of what Nest builds under one context id. */
export interface BuildObserver {
  /** Gives what Nest is to inject in place of an instance; undefined while all is injected as it is. */
  readonly standIn: ((instance: object, wrapper: NestWrapper) => object) | undefined;
  /** Called before a constructor or a factory; throws when nothing may be built any more. */
  beforeBuild(wrapper: NestWrapper): void;
  /** Called with what was built, itself, before anything that depends on it is built; awaited. */
  built(instance: unknown, wrapper: NestWrapper): Promise<void> | undefined;
  /** Called when the constructor or factory has thrown; the error goes its way. */
  buildFailed(): void;
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
 */
export function watchBuilds(injector: NestInjector): void {
  if (watched.has(injector)) return;
  const original = injector.instantiateClass;
  watched.add(injector);

  injector.instantiateClass = function (this: NestInjector, ...args: unknown[]): Promise<unknown> {
    const contextId = contextIdOf(args[3]);
    const observer = contextId?.[OBSERVER];
    if (observer === undefined) return original.apply(this, args);
    const wrapper = args[1] as NestWrapper;
    if (livesElsewhere(wrapper, contextId!) || isOfDurable(wrapper, contextId!, inquirerOf(args)))
      return original.apply(this, args);
    try {
      observer.beforeBuild(wrapper);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const isPassedOn = (made: unknown): boolean =>
      isFactory(wrapper) &&
      (handsOn(made, args[0] as unknown[]) || isHeldByDurable(made, wrapper, contextId!));
    // What is handed out to a circle before it is built cannot be replaced.
    const replacement =
      observer.standIn === undefined || wrapper.forwardRef === true
        ? undefined
        : new BuildReplacement(wrapper, observer.standIn, isPassedOn);
    return original.apply(this, replacement?.argumentsFor(args) ?? args).then(
      (instance) => {
        if (hasInit(wrapper)) injectEarly(instance, resolved.take(contextId!, wrapper));
        const built = replacement === undefined ? instance : replacement.behind(instance);
        const ready = observer.built(isPassedOn(instance) ? undefined : built, wrapper);
        if (ready === undefined) return instance;
        const awaited = ready.then(() => instance);
        // Nest 11.0 drops the promise of a member of a circle; the observer keeps the error and throws it itself.
        return wrapper.forwardRef === true ? awaited.catch(() => instance) : awaited;
      },
      (error: unknown) => {
        observer.buildFailed();
        throw error;
      },
    );
  };

  const resolveProperties = injector.resolveProperties;
  injector.resolveProperties = function (this: NestInjector, ...args: unknown[]) {
    const properties = resolveProperties.apply(this, args);
    const contextId = contextIdOf(args[3]);
    const wrapper = args[0] as NestWrapper;
    // From 12 on the context of a transient tells its inquirer's id only.
    if (contextId?.[OBSERVER] !== undefined && wrapper.isTransient && contextId !== args[3])
      inquirers.set(args[3] as object, args[4] as NestWrapper | undefined);
    if (contextId?.[OBSERVER] === undefined || !hasInit(wrapper)) return properties;
    return properties.then((values) => {
      resolved.put(contextId, wrapper, values);
      return values;
    });
  };
}

/**
 * What is to be injected by property, from the moment Nest has it until the instance is built. Nest injects it after
 * `instantiateClass`, and `onScopeInit`, which is awaited in there, has to see it.
 *
 * Of one provider in one context several may be under way (transients); they come and go in the same order.
 */
class ResolvedProperties {
  readonly #waiting = new WeakMap<ContextId, Map<NestWrapper, NestProperty[][]>>();

  put(contextId: ContextId, wrapper: NestWrapper, properties: NestProperty[]): void {
    let byWrapper = this.#waiting.get(contextId);
    if (byWrapper === undefined) this.#waiting.set(contextId, (byWrapper = new Map()));
    byWrapper.set(wrapper, [...(byWrapper.get(wrapper) ?? []), properties]);
  }

  take(contextId: ContextId, wrapper: NestWrapper): NestProperty[] {
    return this.#waiting.get(contextId)?.get(wrapper)?.shift() ?? [];
  }
}

const resolved = new ResolvedProperties();

function injectEarly(instance: unknown, properties: readonly NestProperty[]): void {
  for (const { key, instance: value } of properties) {
    if (value !== undefined && value !== null)
      (instance as Record<PropertyKey, unknown>)[key] = value;
  }
}

function hasInit(wrapper: NestWrapper): boolean {
  return (
    typeof (wrapper.metatype?.prototype as { onScopeInit?: unknown } | undefined)?.onScopeInit ===
    'function'
  );
}

function contextIdOf(argument: unknown): ObservedContextId | undefined {
  if (typeof argument !== 'object' || argument === null) return undefined;
  return (argument as { contextId?: ContextId }).contextId ?? (argument as ObservedContextId);
}

/** By the resolution context that a transient is built in. */
const inquirers = new WeakMap<object, NestWrapper | undefined>();

/** Who a transient is built for; up to 11.x the fifth argument of `Injector#instantiateClass`. */
function inquirerOf(args: readonly unknown[]): NestWrapper | undefined {
  return contextIdOf(args[3]) === args[3]
    ? (args[4] as NestWrapper | undefined)
    : inquirers.get(args[3] as object);
}

/** A transient lives as long as what it was built for, which may be durable. */
function isOfDurable(
  wrapper: NestWrapper,
  contextId: ContextId,
  inquirer: NestWrapper | undefined,
): boolean {
  return wrapper.isTransient && inquirer !== undefined && livesElsewhere(inquirer, contextId);
}

/** True for a durable provider that a context id strategy gives a parent: it is stored under that parent. */
function livesElsewhere(wrapper: NestWrapper, contextId: ContextId): boolean {
  return homeOf(wrapper, contextId) !== contextId;
}

/** Returns the context id under which an instance is stored. */
function homeOf(wrapper: NestWrapper, contextId: ContextId): ContextId {
  if (contextId.getParent === undefined || !wrapper.isDependencyTreeDurable()) return contextId;
  return contextId.getParent({ token: wrapper.token as never, isTreeDurable: true });
}

/** True if a durable provider, injected into the factory, holds what it returned, for example the pool of a tenant. */
function isHeldByDurable(made: unknown, wrapper: NestWrapper, contextId: ContextId): boolean {
  if (contextId.getParent === undefined || typeof made !== 'object' || made === null) return false;
  const holders = injectionsOf(wrapper).flatMap(({ wrapper: injected }) => {
    const home = homeOf(injected, contextId);
    return home === contextId ? [] : objectsOf(injected, home);
  });
  return holdsDecorated(holders, made);
}
