import { Module, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ScopedWorkerServices } from './scoped-worker-services.js';

/**
 * The place of the host among the application's modules: the last to bootstrap, the first to be
 * destroyed. It has no provider, because the hooks of one module run together.
 */
@Module({})
export class HostingModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(private readonly services: ScopedWorkerServices) {
    services.nest.stopFirst(HostingModule);
  }

  onApplicationBootstrap(): Promise<void> {
    return this.services.host.onApplicationBootstrap();
  }

  onModuleDestroy(): Promise<void> {
    return this.services.host.onModuleDestroy();
  }
}
