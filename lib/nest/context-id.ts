import { ContextIdFactory } from '@nestjs/core';
import { REQUEST_CONTEXT_ID } from '@nestjs/core/router/request/request-constants.js';
import type { BuildObserver } from './build-observer.interface.js';
import type { ContextId, NestInjector, NestWrapper } from './nest-types.js';

/** The property of a request that holds its context id: `ContextIdFactory.getByRequest()` reads it. */
export { REQUEST_CONTEXT_ID };

/** The property of a context id that holds its observer. A WeakMap would cost every scope a microsecond. */
const OBSERVER = Symbol('nestjs-scoped-worker:observer');

/** A context id, with its observer if this library created the id. */
type ObservedContextId = ContextId & { [OBSERVER]?: BuildObserver };

/**
 * Returns the context id in an argument of Nest's injector. Up to 11.1.19, the argument is the id itself; from 11.1.24
 * on, it is a resolution context that contains the id.
 */
export function contextIdOf(argument: unknown): ObservedContextId | undefined {
  if (typeof argument !== 'object' || argument === null) return undefined;
  return (argument as { contextId?: ContextId }).contextId ?? (argument as ObservedContextId);
}

/** Returns the observer of the context id in an argument of Nest's injector; undefined if this library didn't create the id. */
export function observerOf(argument: unknown): BuildObserver | undefined {
  return contextIdOf(argument)?.[OBSERVER];
}

/** The request for which a `ContextIdStrategy` is choosing the parent of a new context id. */
let choosingFor: object | undefined;

/**
 * Returns true while a `ContextIdStrategy` chooses the parent of a new context id for this request. The strategy chooses for each
 * scope, even if the request is a tick that already has an id.
 */
export function isChoosingParentFor(request: object): boolean {
  return choosingFor === request;
}

/** Returns true if the application has a `ContextIdStrategy`, which expects to see each request when the request's work begins. */
export function hasContextIdStrategy(): boolean {
  return (ContextIdFactory as unknown as { strategy?: unknown }).strategy !== undefined;
}

/**
 * Returns a new context id for one scope. If the application has a `ContextIdStrategy`, durable providers come from the context
 * that the strategy chooses for `request`. All other providers belong to the new id, even if `request` is an HTTP request with its
 * own id.
 *
 * A strategy that reads HTTP headers may throw on `request`. The scope fails with that error only when it needs a durable
 * provider.
 */
export function createContextId(request: unknown, observer: BuildObserver): ContextId {
  const contextId: ObservedContextId = ContextIdFactory.create();
  contextId[OBSERVER] = observer;
  if (!hasContextIdStrategy() || typeof request !== 'object' || request === null) return contextId;
  let durable: ContextId;
  const outer = choosingFor;
  choosingFor = request;
  try {
    durable = ContextIdFactory.getByRequest(request as Record<string, unknown>);
  } catch (error) {
    contextId.getParent = ({ isTreeDurable }) => {
      if (isTreeDurable) throw error;
      return contextId;
    };
    return contextId;
  } finally {
    choosingFor = outer;
  }
  const parentOf = durable.getParent;
  if (parentOf === undefined) return contextId;
  contextId.getParent = (info) => (info.isTreeDurable ? parentOf(info) : contextId);
  contextId.payload = durable.payload;
  return contextId;
}

/**
 * Returns true for a durable provider, or a transient that depends on one, if Nest stores the instance under the context id that a
 * `ContextIdStrategy` chose.
 */
export function livesElsewhere(
  injector: NestInjector,
  wrapper: NestWrapper,
  contextId: ContextId,
): boolean {
  return injector.getContextId(contextId, wrapper) !== contextId;
}
