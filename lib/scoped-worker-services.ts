import { Inject, Injectable, Optional } from '@nestjs/common';
import {
  ApplicationConfig,
  ExternalContextCreator,
  HttpAdapterHost,
  LazyModuleLoader,
  ModuleRef,
  ModulesContainer,
} from '@nestjs/core';
import { OnceSchedules } from './discovery/once-schedules.js';
import { SchedulePlanner } from './discovery/schedule-planner.js';
import { AttemptRunner } from './tick/attempt-runner.js';
import { ItemRunner } from './tick/item-runner.js';
import { OnceStores } from './tick/once.js';
import { ProviderScopeFactory } from './tick/provider-scope-factory.js';
import { RunningTicks } from './tick/running-ticks.js';
import { TickRunner } from './tick/tick-runner.js';
import { TickDispatcher } from './tick/tick-dispatcher.js';
import { ApplicationGraph } from './graph/read-graph.js';
import { Announcement } from './lifecycle/announcement.js';
import { AppStopper } from './nest/app-stopper.js';
import { BackgroundHost } from './background/background-host.js';
import { ConsumerHost } from './consumers/consumer-host.js';
import { Drain } from './lifecycle/drain.js';
import { OnceCleanup } from './lifecycle/once-cleanup.js';
import { OnFailure } from './lifecycle/on-failure.js';
import { MemoryWatch } from './lifecycle/memory-watch.js';
import { SchedulerRegistryBridge } from './lifecycle/scheduler-registry-bridge.js';
import { ApplicationCheck } from './lifecycle/application-check.js';
import { ApplicationLifecycle } from './lifecycle/application-lifecycle.js';
import type { InspectedServices } from './inspect/inspect-scopes.js';
import { LeakWatch } from './leaks/leak-watch.js';
import { MemorySource, ProcessMemory } from './memory/process-memory.js';
import { Enhancers, NestInside, Plans, StaticHoldings } from './nest/index.js';
import { EventLog } from './events/event-log.js';
import { ScopedWorkerEvents } from './events/scoped-worker-events.js';
import { ModuleOptionsStore } from './options/module-options-store.js';
import type { LongRunning } from './registry/long-running.js';
import { RunningEngine } from './registry/running-engine.js';
import { ScheduleBook } from './registry/schedule-book.js';
import { ScheduleMaker } from './registry/schedule-maker.js';
import { ScopedWorkerRegistry } from './registry/scoped-worker-registry.js';
import { OpenScopes } from './scope/open-scopes.js';
import { Ownership } from './scope/ownership.js';
import { FindingBook } from './validation/finding-book.js';
import { StartUpCheck } from './validation/start-up-check.js';

/**
 * Builds all services of one application, each after its dependencies. The services that other code uses are fields.
 *
 * Nest builds only this class. An `instanceDecorator` of the application (Nest Observe sets one) wraps every provider in a proxy.
 * As providers, our services would call each other through these proxies and appear as spans in the users' traces.
 */
@Injectable()
export class ScopedWorkerServices implements InspectedServices {
  // The application.
  readonly nest: NestInside;
  readonly options: ModuleOptionsStore;
  readonly graph: ApplicationGraph;
  readonly findings: FindingBook;

  // Reports.
  readonly events: ScopedWorkerEvents;
  readonly leaks: LeakWatch;

  // Ticks.
  readonly plans: Plans;
  readonly scopes: ProviderScopeFactory;
  readonly dispatcher: TickDispatcher;
  readonly onceStores = new OnceStores();

  // Schedules.
  readonly book: ScheduleBook;
  readonly registry: ScopedWorkerRegistry;

  // Start and stop.
  readonly check: ApplicationCheck;
  readonly bridge: SchedulerRegistryBridge;
  readonly lifecycle: ApplicationLifecycle;

  constructor(
    modules: ModulesContainer,
    moduleRef: ModuleRef,
    http: HttpAdapterHost,
    lazyModules: LazyModuleLoader,
    @Optional() @Inject(ExternalContextCreator) creator: unknown,
    @Optional() @Inject(ApplicationConfig) config: ApplicationConfig | undefined,
    @Inject(MemorySource) givenMemory: MemorySource | null,
    @Inject(AppStopper) givenStopper: AppStopper | null,
  ) {
    const nest = (this.nest = new NestInside(modules, moduleRef, http, lazyModules));
    const options = (this.options = new ModuleOptionsStore());
    const graph = (this.graph = new ApplicationGraph(nest));
    const events = (this.events = new ScopedWorkerEvents());
    new EventLog(events);
    const findings = (this.findings = new FindingBook(graph, options, (finding) =>
      events.emit('finding:reported', finding),
    ));

    const statics = new StaticHoldings(nest);
    const ownership = new Ownership(statics, findings);
    const leaks = (this.leaks = new LeakWatch(options, events, statics));
    const plans = (this.plans = new Plans(nest));
    const openScopes = new OpenScopes(nest, plans, ownership, events, leaks, options.resolved);

    const running = new RunningTicks();
    const enhancers = new Enhancers(creator, config);
    const attempts = new AttemptRunner(openScopes, options.resolved, enhancers, events, findings);
    const ticks = new TickRunner(attempts, running, events);
    const scopes = (this.scopes = new ProviderScopeFactory(openScopes, ticks, events));
    const book = (this.book = new ScheduleBook());
    const stopper = givenStopper ?? new AppStopper(nest, options.resolved);
    const policy = new OnFailure(book, stopper, () => this);
    const lists = new ItemRunner(ticks, policy, events, scopes, running);
    const dispatcher = new TickDispatcher(ticks, lists, running, policy, book, events);
    this.dispatcher = dispatcher;

    const engine = new RunningEngine(options, events);
    const onceSchedules = new OnceSchedules(graph, nest);
    const maker = new ScheduleMaker(book, options, nest, onceSchedules);
    const registry = (this.registry = new ScopedWorkerRegistry(
      book,
      running,
      dispatcher,
      openScopes,
      events,
      engine,
      maker,
    ));

    const planner = new SchedulePlanner(nest, options, graph);
    this.check = new ApplicationCheck(
      options,
      planner,
      findings,
      new StartUpCheck(),
      book,
      onceSchedules,
      this.onceStores,
    );
    this.bridge = new SchedulerRegistryBridge(nest, book, registry, running, events);

    const memorySource = givenMemory ?? new ProcessMemory();
    const longRunning: readonly LongRunning[] = [
      // First, because the memory watch sees only what starts after it.
      new MemoryWatch(options, memorySource, events, dispatcher, stopper),
      new ConsumerHost(book, dispatcher, scopes, events),
      new BackgroundHost(nest, events, stopper),
      new OnceCleanup(this.onceStores, book, options, events),
    ];
    const drained = [engine, ...longRunning];
    const drain = new Drain(running, openScopes, options, events, drained);
    this.lifecycle = new ApplicationLifecycle(
      nest,
      book,
      dispatcher,
      engine,
      drain,
      new Announcement(registry, nest, options),
      longRunning,
      stopper,
    );
  }
}
