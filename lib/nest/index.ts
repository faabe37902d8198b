export { Application } from './application.js';
export type { BuildObserver } from './build-observer.interface.js';
export { asPartOfBuild, initHookOf, isPreparing, keyOfBuild } from './preparation.js';
export {
  createContextId,
  hasContextIdStrategy,
  isChoosingParentFor,
  REQUEST_CONTEXT_ID,
} from './context-id.js';
export { bare, bareProperties, isSameObject } from './decorations.js';
export { leaveToDurable } from './durable-holdings.js';
export { Enhancers } from './enhancers.js';
export { enhancerClasses } from './enhancer-metadata.js';
export {
  declaredTokens,
  GATEWAY_METADATA,
  injectionsOf,
  isGateway,
  missingInjectionsOf,
  type Injection,
  type MissingInjection,
} from './injections.js';
export { NestInside, type PlacedWrapper } from './nest-inside.js';
export { nestVersion } from './nest-version.js';
export type { BuildRecording } from './plan/build-recording.js';
export type { PlannedBuild } from './plan/planned-build.js';
export { obstacleOf, SCOPED_ENHANCER } from './plan/obstacles.js';
export { Plans, type Resolution } from './plan/plans.js';
export { StaticHoldings } from './static-holdings.js';
export { OpenedApplication } from './opened-application.js';
export type { ContextId, NestModule, NestWrapper } from './nest-types.js';
export {
  isFactory,
  isPreviewed,
  isReadyMade,
  isSingleton,
  kindOf,
  type ProviderKind,
} from './provider-kind.js';
export {
  injectedToken,
  isInternalToken,
  isOwnToken,
  isScopedTypeOrmToken,
  partsOfScopedToken,
  tokenText,
} from './tokens.js';
