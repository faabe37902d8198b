import {
  Global,
  Module,
  type FactoryProvider,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { AppStopper } from './nest/app-stopper.js';
import { HostingModule } from './hosting.module.js';
import { InspectedServices } from './inspect/inspect-scopes.js';
import { MemorySource } from './memory/process-memory.js';
import { ScopedWorkerEvents } from './events/scoped-worker-events.js';
import { ScopedWorkerRegistry } from './registry/scoped-worker-registry.js';
import { ScopedWorkerServices } from './scoped-worker-services.js';
import { OnceStores } from './tick/once.js';
import { ProviderScopeFactory } from './tick/provider-scope-factory.js';

/** Provides a service that users inject. */
function provide<T>(
  token: Type<T>,
  service: (services: ScopedWorkerServices) => T,
): FactoryProvider<T> {
  return { provide: token, useFactory: service, inject: [ScopedWorkerServices] };
}

/** Null unless a test overrides the provider; while the value is null, the services build their own instance. */
const replaceable = [MemorySource, AppStopper].map((token) => ({ provide: token, useValue: null }));

/**
 * Provides all services once for each application, because Nest builds a static module once, however often
 * `ScopedWorkerModule.forRoot()` is imported.
 */
@Global()
@Module({
  imports: [HostingModule],
  providers: [
    ...replaceable,
    ScopedWorkerServices,
    { provide: InspectedServices, useExisting: ScopedWorkerServices },
    provide(ProviderScopeFactory, ({ scopes }) => scopes),
    provide(ScopedWorkerRegistry, ({ registry }) => registry),
    provide(ScopedWorkerEvents, ({ events }) => events),
    provide(OnceStores, ({ onceStores }) => onceStores),
  ],
  exports: [
    ScopedWorkerServices,
    ProviderScopeFactory,
    ScopedWorkerRegistry,
    ScopedWorkerEvents,
    OnceStores,
  ],
})
export class ScopedWorkerCoreModule
  implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  constructor(private readonly services: ScopedWorkerServices) {
    services.nest.initFirst(ScopedWorkerCoreModule);
  }

  onModuleInit(): Promise<void> {
    return this.services.check.begin();
  }

  /** Runs before every `onApplicationBootstrap` of the application, so these hooks find our schedules in `SchedulerRegistry`. */
  onApplicationBootstrap(): void {
    if (this.services.nest.hasStarted) return; // a second call: SchedulerRegistry already has our schedules
    this.services.bridge.show();
    this.services.leaks.start();
  }

  /** Runs after all other shutdown hooks, because this module was the first to be initialized. */
  onApplicationShutdown(): Promise<void> {
    return this.services.lifecycle.close();
  }
}
