import { ContextIdFactory } from '@nestjs/core';
import { OBSERVER, type BuildObserver, type ObservedContextId } from './build-watch.js';
import type { ContextId } from './nest-types.js';

/** An id under which nothing can be built: the observer of the scope that it stands for refuses. */
export function createDeadContextId(observer: BuildObserver): ContextId {
  const contextId: ObservedContextId = ContextIdFactory.create();
  contextId[OBSERVER] = observer;
  return contextId;
}

/**
 * A context id of its own for one scope. When the application has a `ContextIdStrategy` for durable
 * providers, they are taken from where the strategy says for `request`; everything else belongs to the
 * new id, also when `request` is an HTTP request that has an id already.
 *
 * A strategy that cannot read `request` (one written for HTTP headers, say) fails the scope only when a
 * durable provider is needed, with the strategy's own error.
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
