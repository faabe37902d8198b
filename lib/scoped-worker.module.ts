import { Inject, Module, Optional, type DynamicModule } from '@nestjs/common';
import type { ScopedWorkerModuleOptions } from './options/module-options.js';
import { ScopedWorkerCoreModule } from './scoped-worker-core.module.js';
import { ScopedWorkerServices } from './scoped-worker-services.js';
import { ConfigurableModuleClass, SCOPED_WORKER_OPTIONS } from './options/module-definition.js';

/**
 * Runs the handlers of `@ScopedWorker()` classes, each tick in a scope of its own. Imported once, in the root
 * module; its services are global.
 *
 * @publicApi
 */
@Module({ imports: [ScopedWorkerCoreModule] })
export class ScopedWorkerModule extends ConfigurableModuleClass {
  constructor(
    @Optional() @Inject(SCOPED_WORKER_OPTIONS) options: ScopedWorkerModuleOptions | undefined,
    services: ScopedWorkerServices,
  ) {
    super();
    services.options.declare(options === undefined ? {} : options);
  }

  /**
   * @throws {InvalidOptionsError} at start-up, when an option cannot work or two imports differ.
   * @throws {InvalidScheduleError} {DuplicateScheduleError} {ScopeValidationError} at start-up, with
   * everything that is wrong, before anything is scheduled.
   */
  static override forRoot(options: ScopedWorkerModuleOptions = {}): DynamicModule {
    return super.forRoot(options);
  }
}
