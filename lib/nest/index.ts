export { Application } from './application.js';
export type { BuildObserver } from './build-watch.js';
export { createContextId, createDeadContextId } from './context-id.js';
export { buildsInFlight, instancesInOrder } from './context-instances.js';
export { bare, bareProperties, isSameObject } from './decorations.js';
export { Enhancers } from './enhancers.js';
export { enhancerClasses } from './enhancer-metadata.js';
export { injectedToken } from './injected-token.js';
export {
  declaredTokens,
  injectionsOf,
  isGateway,
  missingInjectionsOf,
  type Injection,
  type MissingInjection,
} from './injections.js';
export { isFactory } from './is-factory.js';
export { NestInside, type PlacedWrapper } from './nest-inside.js';
export type { ContextId, NestModule, NestWrapper } from './nest-types.js';
export { StaticHoldings } from './static-holdings.js';
export { OpenedApplication } from './opened-application.js';
export { isInternalToken, tokenText } from './token-text.js';
export { DISPOSERS } from './disposers.js';
