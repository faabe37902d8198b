export { isFactory, type BuildObserver } from './build-watch.js';
export { createContextId, createDeadContextId } from './context-id.js';
export { buildsInFlight, instancesInOrder } from './context-instances.js';
export { Enhancers } from './enhancers.js';
export { NestInside, type PlacedWrapper } from './nest-inside.js';
export type { ContextId, NestModule, NestWrapper } from './nest-types.js';
export { wayToRequestScope } from './request-scope.js';
export { StaticHoldings } from './static-holdings.js';
