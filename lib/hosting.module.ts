import {
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ScopedWorkerServices } from './scoped-worker-services.js';

/**
 * Starts and stops the library at the right time: Nest initializes and bootstraps this module last, and destroys it first. The
 * module has no provider, because Nest runs all hooks of one module together.
 */
@Module({})
export class HostingModule implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  constructor(private readonly services: ScopedWorkerServices) {
    services.nest.stopFirst(HostingModule);
  }

  onModuleInit(): Promise<void> {
    return this.services.check.decide();
  }

  onApplicationBootstrap(): Promise<void> {
    return this.services.lifecycle.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.services.lifecycle.stop();
  }
}
