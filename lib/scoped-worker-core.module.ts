import { Global, Module } from '@nestjs/common';
import { SchedulePlanner } from './discovery/schedule-planner.js';
import { WorkerExplorer } from './discovery/worker-explorer.js';
import { RunningTicks } from './execution/running-ticks.js';
import { TickDispatcher } from './execution/tick-dispatcher.js';
import { TickObserver } from './execution/tick-observer.js';
import { TickSettings } from './execution/tick-settings.js';
import { TickRunner } from './execution/tick-runner.js';
import { Announcement } from './hosting/announcement.js';
import { AppStopper } from './hosting/app-stopper.js';
import { BackgroundHost } from './hosting/background/background-host.js';
import { ConsumerHost } from './hosting/consumers/consumer-host.js';
import { Drain } from './hosting/drain.js';
import { HostingModule } from './hosting/hosting.module.js';
import { MemoryHost } from './hosting/memory-host.js';
import { SchedulerRegistryBridge } from './hosting/scheduler-registry-bridge.js';
import { StartUp } from './hosting/start-up.js';
import { ApplicationGraph } from './graph/index.js';
import { Application, Enhancers, NestInside } from './nest/index.js';
import { MemorySource, ProcessMemory } from './memory/memory-source.js';
import { LeakWatch } from './leaks/leak-watch.js';
import { EventObserver } from './observability/event-observer.js';
import { ScopedWorkerEvents } from './observability/scoped-worker-events.js';
import { EventLog } from './observability/event-log.js';
import { AttemptRunner } from './execution/attempt-runner.js';
import { ItemRunner } from './execution/item-runner.js';
import { ProvidedValues } from './discovery/provided-values.js';
import { ScheduleMaker } from './registry/schedule-maker.js';
import { OptionsStore } from './options/options-store.js';
import { RunningEngine } from './registry/running-engine.js';
import { ScheduleBook } from './registry/schedule-book.js';
import { ScopedWorkerRegistry } from './registry/scoped-worker-registry.js';
import { OpenScopes } from './scope/open-scopes.js';
import { Ownership } from './scope/ownership.js';
import { ProviderScopeFactory } from './execution/provider-scope-factory.js';
import { ScopeObserver } from './scope/scope-observer.js';
import { ScopeSettings } from './scope/scope-settings.js';
import { ScopeWatch } from './scope/scope-watch.js';
import { Review } from './validation/review.js';
import { StartUpCheck } from './validation/start-up-check.js';

const forHost = [
  NestInside,
  Enhancers,
  ScheduleBook,
  TickDispatcher,
  RunningEngine,
  Drain,
  SchedulerRegistryBridge,
  AppStopper,
  Announcement,
  BackgroundHost,
  ConsumerHost,
  MemoryHost,
];

/**
 * All services, once for each application: a static module, however often `ScopedWorkerModule.forRoot()` is
 * imported. That is why nothing is doubled.
 */
@Global()
@Module({
  imports: [HostingModule],
  providers: [
    ...forHost,
    { provide: Application, useExisting: NestInside },
    ApplicationGraph,
    OptionsStore,
    { provide: ScopeSettings, useExisting: OptionsStore },
    { provide: TickSettings, useExisting: OptionsStore },
    WorkerExplorer,
    SchedulePlanner,
    StartUpCheck,
    Review,
    StartUp,
    { provide: MemorySource, useClass: ProcessMemory },
    RunningTicks,
    TickRunner,
    ScheduleMaker,
    ProvidedValues,
    ItemRunner,
    AttemptRunner,
    OpenScopes,
    Ownership,
    EventObserver,
    { provide: TickObserver, useExisting: EventObserver },
    { provide: ScopeObserver, useExisting: EventObserver },
    LeakWatch,
    { provide: ScopeWatch, useExisting: LeakWatch },
    EventLog,
    ProviderScopeFactory,
    ScopedWorkerRegistry,
    ScopedWorkerEvents,
  ],
  exports: [
    ...forHost,
    OptionsStore,
    ProviderScopeFactory,
    ScopedWorkerRegistry,
    ScopedWorkerEvents,
  ],
})
export class ScopedWorkerCoreModule {
  constructor(nest: NestInside) {
    nest.initFirst(ScopedWorkerCoreModule);
  }
}
