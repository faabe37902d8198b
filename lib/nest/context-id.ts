import { ContextIdFactory } from '@nestjs/core';
import { OBSERVER, type BuildObserver, type ObservedContextId } from './build-watch.js';
import type { ContextId } from './nest-types.js';

/** Returns an id under which nothing can be built, because the observer refuses. */
export function createDeadContextId(observer: BuildObserver): ContextId {
  const contextId: ObservedContextId = ContextIdFactory.create();
  contextId[OBSERVER] = observer;
  return contextId;
}

/**
 * Returns a new context id for one scope. If the application has a `ContextIdStrategy`, durable providers come from the context
 * that the strategy chooses for `request`. All others belong to the new id, even if `request` is an HTTP request with an id.
 *
 * A strategy for HTTP headers may throw on `request`. The scope fails with that error only when it needs a durable provider.
 */
export function createContextId(request: unknown, observer: BuildObserver): ContextId {
  const contextId: ObservedContextId = ContextIdFactory.create();
  contextId[OBSERVER] = observer;
  if (typeof request !== 'object' || request === null) return contextId;
  let durable: ContextId;
  try {
    durable = ContextIdFactory.getByRequest(request as Record<string, unknown>);
  } catch (error) {
    contextId.getParent = ({ isTreeDurable }) => {
      if (isTreeDurable) throw error;
      return contextId;
    };
    return contextId;
  }
  const parentOf = durable.getParent;
  if (parentOf === undefined) return contextId;
  contextId.getParent = (info) => (info.isTreeDurable ? parentOf(info) : contextId);
  contextId.payload = durable.payload;
  return contextId;
}
