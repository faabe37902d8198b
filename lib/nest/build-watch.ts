import { AsyncLocalStorage } from 'node:async_hooks';
import type { BuildObserver } from './build-observer.interface.js';
import { BuildReplacement } from './build-replacement.js';
import { contextIdOf, OBSERVER } from './context-id.js';
import { HeldInstance, objectsOf } from './context-instances.js';
import { handsOn } from './decorations.js';
import { holdsDecorated } from './holding.js';
import { injectionsOf } from './injections.js';
import type { ContextId, NestInjector, NestProperty, NestWrapper } from './nest-types.js';
import { isFactory } from './provider-kind.js';
import { getOrAdd } from '../util/values.js';

const watched = new WeakSet<NestInjector>();

/** Classes whose instances have no `onScopeInit`: nothing has to wait for them. */
const plain = new WeakSet<NestWrapper>();

/** Providers into whose properties Nest injects nothing. */
const withoutProperties = new WeakSet<NestWrapper>();

/**
 * The preparations (factories, `onScopeInit`, and what constructors begin) that the current code is part of. They don't refer to the instances, because a
 * connection that a preparation opens keeps the preparation alive.
 */
const preparations = new AsyncLocalStorage<readonly Preparation[]>();

interface Preparation {
  /** The key of the observer. */
  readonly of: object;
  isOver: boolean;
}

/** The preparation whose constructor runs. A constructor doesn't await, so it needs no AsyncLocalStorage, which costs time. */
let constructing: Preparation | undefined;

function constructed<T>(preparation: Preparation, construct: () => T): T {
  const outer = constructing;
  constructing = preparation;
  try {
    return construct();
  } finally {
    constructing = outer;
  }
}

/** True if the calling code prepares an instance that is built for this observer. */
export function isPreparing({ key }: BuildObserver): boolean {
  return underWay().some(({ of }) => of === key);
}

/** Runs work as part of the build whose constructor calls it. */
export function asPartOfBuild<T>(work: () => T): T {
  const build = constructing;
  if (build === undefined) return work();
  // Not the preparation itself: what a constructor begins still waits for its `onScopeInit`.
  const begun: Preparation = {
    of: build.of,
    get isOver() {
      return build.isOver;
    },
  };
  return preparations.run([...underWay(), begun], work);
}

/**
 * Observes what an injector builds. Every `ModuleRef` has an injector, which its `resolve()` uses. So the observer sees the graph
 * of a tick as well as the providers that a handler resolves by hand.
 *
 * `Injector#instantiateClass` is the only place where Nest calls a constructor or a factory. Up to 11.x its fourth argument is the
 * context id, from 12 on a resolution context that contains it.
 */
export function watchBuilds(injector: NestInjector): void {
  if (watched.has(injector)) return;
  watched.add(injector);
  const { instantiateClass, resolveProperties, loadPerContext } = injector;

  injector.loadPerContext = function <T>(
    this: NestInjector,
    ...args: Parameters<NestInjector['loadPerContext']>
  ): Promise<T> {
    const [, , , contextId, wrapper] = args;
    const refusal = contextIdOf(contextId)?.[OBSERVER]?.refusalOf(wrapper);
    if (refusal !== undefined) return Promise.reject(refusal);
    return loadPerContext.apply(this, args) as Promise<T>;
  };

  injector.instantiateClass = function (this: NestInjector, ...args: unknown[]): Promise<unknown> {
    const build = observedBuild(injector, args);
    if (build === undefined) return instantiateClass.apply(this, args);
    return observe(build, (given) => instantiateClass.apply(this, given));
  };

  injector.resolveProperties = function (this: NestInjector, ...args: unknown[]) {
    const properties = resolveProperties.apply(this, args);
    const contextId = contextIdOf(args[3]);
    const wrapper = args[0] as NestWrapper;
    // From 12 on, the context of a transient has only the id of its inquirer.
    if (contextId?.[OBSERVER] !== undefined && wrapper.isTransient && contextId !== args[3])
      inquirers.set(args[3] as object, args[4] as NestWrapper | undefined);
    const isNeeded = !withoutProperties.has(wrapper);
    if (contextId?.[OBSERVER] === undefined || !isNeeded) return properties;
    return properties.then((values) => {
      if (values.length === 0) withoutProperties.add(wrapper);
      else resolved.put(contextId, wrapper, values);
      return values;
    });
  };

  const { waitForDeferredLoads, addDeferredLoad } = injector;
  if (waitForDeferredLoads === undefined) return watchDeferredLoads(injector);
  // Nest waits for them only in loads by the same module.
  injector.addDeferredLoad = function (this: NestInjector, ...args) {
    const [contextId, loading] = args;
    contextIdOf(contextId)?.[OBSERVER]?.notAwaited(loading);
    addDeferredLoad?.apply(this, args);
  };
  injector.waitForDeferredLoads = function (this: NestInjector, contextId: ContextId) {
    const observer = contextIdOf(contextId)?.[OBSERVER];
    // What a member of a cycle resolves while it is prepared would wait for that member.
    if (observer !== undefined && isPreparing(observer)) return Promise.resolve();
    return waitForDeferredLoads.call(this, contextId);
  };
}

/**
 * An injector without `waitForDeferredLoads()` (11.0.0, for example) loads members of a circular dependency without waiting,
 * loses their errors and repeats failed loads. Two members that fail would repeat each other endlessly, so each context id loads
 * each member once.
 */
function watchDeferredLoads(injector: NestInjector): void {
  const original = injector.loadProvider;
  const loads = new WeakMap<ContextId, Map<NestWrapper, Promise<unknown>>>();

  injector.loadProvider = function (this: NestInjector, ...args: unknown[]): Promise<unknown> {
    const wrapper = args[0] as NestWrapper;
    const contextId = contextIdOf(args[2]);
    const observer = contextId?.[OBSERVER];
    const isMember = wrapper.forwardRef === true && !wrapper.isTransient;
    if (observer === undefined || !isMember || livesElsewhere(injector, wrapper, contextId!))
      return original.apply(this, args);
    const known = getOrAdd(loads, contextId!, () => new Map());
    const loading = known.get(wrapper) ?? original.apply(this, args);
    known.set(wrapper, loading);
    observer.notAwaited(loading);
    return loading.catch(() => undefined); // the observer throws it
  };
}

/** A call of `Injector#instantiateClass` for a scope of this library. */
interface ObservedBuild {
  readonly injector: NestInjector;
  readonly args: unknown[];
  readonly wrapper: NestWrapper;
  readonly contextId: ContextId;
  readonly observer: BuildObserver;
  readonly properties: NestProperty[];
}

/** Returns undefined for a build that belongs to no scope of this library. */
function observedBuild(injector: NestInjector, args: unknown[]): ObservedBuild | undefined {
  const contextId = contextIdOf(args[3]);
  const observer = contextId?.[OBSERVER];
  if (contextId === undefined || observer === undefined) return undefined;
  const wrapper = args[1] as NestWrapper;
  const properties = resolved.take(contextId, wrapper);
  const inquirer = wrapper.isTransient ? inquirerOf(args) : undefined;
  const places = inquirer === undefined ? [wrapper] : [wrapper, inquirer];
  // A transient of a durable provider lives as long as that provider.
  if (places.some((place) => livesElsewhere(injector, place, contextId))) return undefined;
  return { injector, args, wrapper, contextId, observer, properties };
}

async function observe(
  { injector, args, wrapper, contextId, observer, properties }: ObservedBuild,
  instantiate: (args: unknown[]) => Promise<unknown>,
): Promise<unknown> {
  observer.beforeBuild(wrapper);
  const isCircular = wrapper.forwardRef === true;
  const isPassedOn = (made: unknown): boolean =>
    isFactory(wrapper) &&
    (handsOn(made, args[0] as unknown[]) || isHeldByDurable(injector, made, wrapper, contextId));
  // An instance that a circular dependency exposes before it is built can't be replaced.
  const replacement =
    observer.standIn === undefined || isCircular
      ? undefined
      : new BuildReplacement(wrapper, observer.standIn, isPassedOn);
  const preparation: Preparation = { of: observer.key, isOver: false };
  const prepared = <T>(work: () => T): T => preparations.run([...underWay(), preparation], work);
  const isWithinLoad = (): boolean => underWay().includes(preparation);
  // A circular dependency must reach its dependents earlier.
  const held = isCircular || plain.has(wrapper) ? undefined : new HeldInstance(isWithinLoad);
  const given = replacement?.argumentsFor(args) ?? args;
  const build = (): Promise<unknown> => instantiate(held?.argumentsFor(given) ?? given);
  let instance: unknown;
  try {
    instance = await (isFactory(wrapper) ? prepared(build) : constructed(preparation, build));
  } catch (error) {
    preparation.isOver = true;
    observer.buildFailed();
    throw error;
  }
  const isInitialised = hasInit(instance);
  if (!isInitialised && !isFactory(wrapper)) plain.add(wrapper);
  const built = replacement === undefined ? instance : replacement.behind(instance);
  const prepare = (): Promise<void> | undefined =>
    observer.built(isPassedOn(instance) ? undefined : built, wrapper, () =>
      injectEarly(instance, properties),
    );
  const ready = isInitialised || isFactory(wrapper) ? prepared(prepare) : prepare();
  if (ready === undefined) {
    preparation.isOver = true;
    held?.release();
    return instance;
  }
  try {
    await ready;
    held?.release(); // not after a failure, so that later dependents receive the error too
  } catch (error) {
    // Nest 11.0 drops the promise of such a transient; the observer keeps the error, and the load throws it.
    if (!isCircular || !wrapper.isTransient) throw error;
  } finally {
    preparation.isOver = true;
  }
  return instance;
}

/**
 * Keeps the values for property injection until the instance is built. Nest injects them after `instantiateClass`, but
 * `onScopeInit` runs inside it and must see them.
 *
 * Several instances of one provider (transients) may be in progress in one context; they arrive and leave in the same order.
 */
class ResolvedProperties {
  readonly #waiting = new WeakMap<ContextId, Map<NestWrapper, NestProperty[][]>>();

  put(contextId: ContextId, wrapper: NestWrapper, properties: NestProperty[]): void {
    const byWrapper = getOrAdd(this.#waiting, contextId, () => new Map());
    getOrAdd(byWrapper, wrapper, () => []).push(properties);
  }

  take(contextId: ContextId, wrapper: NestWrapper): NestProperty[] {
    return this.#waiting.get(contextId)?.get(wrapper)?.shift() ?? [];
  }
}

const resolved = new ResolvedProperties();

function underWay(): readonly Preparation[] {
  return (preparations.getStore() ?? []).filter(({ isOver }) => !isOver);
}

/** Empties the list, so that Nest doesn't inject the same values again over those that `onScopeInit` has set. */
function injectEarly(instance: unknown, properties: NestProperty[]): void {
  for (const { key, instance: value } of properties.splice(0)) {
    if (value !== undefined && value !== null)
      (instance as Record<PropertyKey, unknown>)[key] = value;
  }
}

/** Reads the instance, because the hook may be an arrow function. */
function hasInit(instance: unknown): boolean {
  try {
    return (
      typeof (instance as { onScopeInit?: unknown } | null | undefined)?.onScopeInit === 'function'
    );
  } catch {
    return false; // a proxy that throws on inspection
  }
}

/** Keyed by the resolution context in which a transient is built. */
const inquirers = new WeakMap<object, NestWrapper | undefined>();

/** Returns the provider that a transient is built for; up to 11.x the fifth argument of `Injector#instantiateClass`. */
function inquirerOf(args: readonly unknown[]): NestWrapper | undefined {
  return contextIdOf(args[3]) === args[3]
    ? (args[4] as NestWrapper | undefined)
    : inquirers.get(args[3] as object);
}

/** True for a durable provider that a context id strategy assigns to a parent, where Nest stores it. */
function livesElsewhere(
  injector: NestInjector,
  wrapper: NestWrapper,
  contextId: ContextId,
): boolean {
  return injector.getContextId(contextId, wrapper) !== contextId;
}

/** True if a durable provider, injected into the factory, holds the result, for example the pool of a tenant. */
function isHeldByDurable(
  injector: NestInjector,
  made: unknown,
  wrapper: NestWrapper,
  contextId: ContextId,
): boolean {
  if (contextId.getParent === undefined || typeof made !== 'object' || made === null) return false;
  const holders = injectionsOf(wrapper).flatMap(({ wrapper: injected }) => {
    const home = injector.getContextId(contextId, injected);
    return home === contextId ? [] : objectsOf(injected, home);
  });
  return holdsDecorated(holders, made);
}
