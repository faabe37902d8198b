export { InjectTick, StaysSingleton, ScopedWorker } from './decorators/worker.decorators.js';
export { ScopedConsumer } from './decorators/consumer.decorator.js';
export { ScopedCron, ScopedInterval, ScopedTimeout } from './decorators/schedule.decorators.js';
export type { ScopedWorkerOptions } from './decorators/handler-metadata.js';
export type { Engine, EngineHost } from './engine/engine.js';
export { inProcessEngine, type InProcessEngineOptions } from './engine/in-process-engine.js';
export {
  DisposeTimeoutError,
  DuplicateScheduleError,
  ERROR_CODES,
  InvalidOptionsError,
  InvalidScheduleError,
  MissingPeerError,
  PeriodicTimerError,
  ScopeClosedError,
  ScopedWorkerError,
  ScopeValidationError,
  StartUpError,
  TickTimeoutError,
  UnknownScheduleError,
  UnsupportedNestError,
  WriteRefusedError,
  WriteTimeoutError,
  type ErrorCode,
} from './errors/errors.js';
export type { AroundHook } from './tick/around.js';
export type { AbortCause } from './tick/tick-report.js';
export type {
  AttemptReport,
  SkipReason,
  TickOutcome,
  TickOverrun,
  TickPhase,
  TickReport,
  TickRetry,
} from './tick/tick-report.js';
export { currentTick } from './tick/current-tick.js';
export type { Tick } from './tick/tick.interface.js';
export { BackgroundWorker, type BackgroundFailurePolicy } from './background/background-worker.js';
export {
  inMemoryQueue,
  type InMemoryQueue,
  type InMemoryQueueOptions,
} from './consumers/source/in-memory-queue.js';
export type { Delivery, MessageSource } from './consumers/source/message-source.js';
export type { MemoryOptions } from './memory/memory-options.js';
export type { MemorySample } from './memory/process-memory.js';
export type { MemoryCheck, MemoryCrossing, MemoryThreshold } from './memory/memory-threshold.js';
export type { ScheduleGrowth } from './memory/schedule-growth.js';
export { inspectScopes } from './inspect/inspect-scopes.js';
export type {
  InspectedFinding,
  InspectedNestJob,
  InspectedProvider,
  InspectedSchedule,
  InspectedWorker,
  ScopeInspection,
} from './inspect/inspection.interface.js';
export { PeriodicTimer, type PeriodicTimerOptions } from './background/periodic-timer.js';
export type {
  BackgroundEnd,
  BackgroundFailure,
  LateCall,
  LeakedScope,
  LeakFound,
  ScheduleChange,
  ScopedWorkerEventMap,
  ShutdownEnd,
  ShutdownStart,
  SourceFailure,
} from './events/event-map.js';
export type { StrayFailure } from './errors/stray-failure.interface.js';
export { ScopedWorkerEvents } from './events/scoped-worker-events.js';
export type {
  ConsumerOptions,
  DeadLetter,
  DeadLetterHandler,
} from './schedule/consumer-options.js';
export type { FromProviders } from './schedule/from-providers.js';
export type {
  HandlerDefaults,
  HandlerOptions,
  OnceOptions,
  RetryOptions,
  ScheduleOverride,
} from './schedule/handler-options.js';
export type { LeakDetectionOptions } from './options/leak-options.js';
export type { Allowance } from './options/allow-options.js';
export type { OnceRetention, ScopedWorkerModuleOptions } from './options/module-options.js';
export type { ScheduleDefinition, ScheduleInfo, ScheduleTiming } from './registry/schedule-info.js';
export { ScopedWorkerRegistry, type ScopedWorkerStats } from './registry/scoped-worker-registry.js';
export type { EngineSchedule } from './schedule/schedule.js';
export type { EngineSlot, Trigger } from './schedule/slot.js';
export type { StandaloneTick } from './tick/standalone-tick.js';
export { ProviderScopeFactory } from './tick/provider-scope-factory.js';
export type {
  OpenedScope,
  ProviderScope,
  ScopeHooks,
  ScopeToken,
} from './scope/provider-scope.interface.js';
export type { ScopeEndNotice, ScopeNotice } from './scope/scope-ports.js';
export type { Lifetime } from './graph/lifetime-graph.js';
export { shared } from './scope/ownership.js';
export { ScopedWorkerModule } from './scoped-worker.module.js';
export type { Finding, FindingKind, FindingNumber, FindingSeverity } from './errors/finding.js';
