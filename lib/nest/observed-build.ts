import type { BuildObserver } from './build-observer.interface.js';
import { BuildReplacement } from './build-replacement.js';
import { contextIdOf, livesElsewhere, observerOf } from './context-id.js';
import { WithheldInstance, objectsOf } from './context-instances.js';
import { handsOn } from './decorations.js';
import {
  followDurable,
  followHeld,
  injectedBy,
  mayBeHeld,
  noteTransient,
} from './durable-holdings.js';
import { holdsDecorated } from './holding.js';
import { injectionsOf } from './injections.js';
import type { ContextId, NestInjector, NestProperty, NestWrapper } from './nest-types.js';
import { constructIn, initHookOf, Preparation } from './preparation.js';
import { isFactory } from './provider-kind.js';
import { injectEarly, inquirerOf, takeProperties } from './resolved-properties.js';

/** Class providers whose instances have no `onScopeInit`: nothing has to wait for them. */
const plain = new WeakSet<NestWrapper>();

/** A call to `Injector#instantiateClass` for a scope of this library. */
export interface ObservedBuild {
  readonly injector: NestInjector;
  readonly args: unknown[];
  readonly wrapper: NestWrapper;
  readonly contextId: ContextId;
  readonly observer: BuildObserver;
  readonly properties: NestProperty[];
  /** True if Nest stores the instance under the context id that a `ContextIdStrategy` chose. */
  readonly isElsewhere: boolean;
  /** The durable provider for which Nest builds the instance, a transient, which then lives as long as that provider. */
  readonly holder: NestWrapper | undefined;
}

/** Returns the build that a call with these arguments makes; undefined if the build belongs to no scope of this library. */
export function observedBuild(injector: NestInjector, args: unknown[]): ObservedBuild | undefined {
  const contextId = contextIdOf(args[3]);
  const observer = observerOf(contextId);
  if (contextId === undefined || observer === undefined) return undefined;
  const wrapper = args[1] as NestWrapper;
  const properties = takeProperties(contextId, wrapper);
  const isElsewhere = livesElsewhere(injector, wrapper, contextId);
  const inquirer = wrapper.isTransient ? inquirerOf(args) : undefined;
  const holder = inquirer && livesElsewhere(injector, inquirer, contextId) ? inquirer : undefined;
  return { injector, args, wrapper, contextId, observer, properties, isElsewhere, holder };
}

/** Makes the call, and reports the build to the observer. */
export function observe(
  build: ObservedBuild,
  instantiate: (args: unknown[]) => Promise<unknown>,
): Promise<unknown> {
  const { args, properties, isElsewhere, holder } = build;
  if (!isElsewhere && holder === undefined) return observeOwn(build, instantiate);
  const injected = injectedBy(args, properties);
  return isElsewhere
    ? followDurable(instantiate(args), injected, build)
    : followHeld(instantiate(args), injected, { ...build, holder: holder! });
}

async function observeOwn(
  { injector, args, wrapper, contextId, observer, properties }: ObservedBuild,
  instantiate: (args: unknown[]) => Promise<unknown>,
): Promise<unknown> {
  observer.beforeBuild(wrapper);
  const recorded = observer.recording?.add(wrapper, args[0] as unknown[], properties);
  const isCircular = wrapper.forwardRef === true;
  const injected = mayBeHeld(wrapper, contextId) ? injectedBy(args, properties) : undefined;
  const isPassedOn = (made: unknown): boolean =>
    isFactory(wrapper) &&
    (handsOn(made, args[0] as unknown[]) || isHeldByDurable(injector, made, wrapper, contextId));
  // An instance that a circular dependency exposes early cannot be replaced.
  const replacement =
    observer.standIn === undefined || isCircular
      ? undefined
      : new BuildReplacement(wrapper, observer.standIn, isPassedOn);
  const preparation = new Preparation(observer.key);
  // An instance in a circular dependency must reach its dependents before its preparation is complete.
  const withheld = isCircular || plain.has(wrapper) ? undefined : new WithheldInstance(preparation);
  const given = replacement?.argumentsFor(args) ?? args;
  const build = (): Promise<unknown> => instantiate(withheld?.argumentsFor(given) ?? given);
  let instance: unknown;
  try {
    instance = await (isFactory(wrapper)
      ? preparation.run(build)
      : constructIn(preparation, build));
  } catch (error) {
    preparation.isOver = true;
    observer.buildFailed();
    throw error;
  }
  if (recorded !== undefined) recorded.instance = instance;
  if (injected !== undefined) noteTransient(instance, injected);
  const isInitialized = typeof initHookOf(instance as object) === 'function';
  if (!isInitialized && !isFactory(wrapper)) plain.add(wrapper);
  const built = replacement === undefined ? instance : replacement.behind(instance);
  const prepare = (): Promise<void> | undefined =>
    observer.built(isPassedOn(instance) ? undefined : built, wrapper, () =>
      injectEarly(instance, properties),
    );
  const ready = isInitialized || isFactory(wrapper) ? preparation.run(prepare) : prepare();
  if (ready === undefined) {
    preparation.isOver = true;
    withheld?.release();
    return instance;
  }
  try {
    await ready;
    withheld?.release(); // not after a failure, so that later dependents receive the error too
  } finally {
    preparation.isOver = true;
  }
  return instance;
}

/** Returns true if a durable provider that is injected into the factory holds the result, for example a tenant's pool. */
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
