import { Inject, Module, Optional, type DynamicModule } from '@nestjs/common';
import { bareProperties } from './nest/index.js';
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
    const isObject = typeof options === 'object' && options !== null;
    services.options.declare(
      isObject ? bareProperties(options) : options === undefined ? {} : options,
    );
  }

  /**
   * @throws {StartUpError} at start-up, before anything is scheduled, with everything that is wrong in `problems`: an
   * `InvalidOptionsError`, `InvalidScheduleError` or `DuplicateScheduleError`, or a `ScopeValidationError` of several kinds.
   */
  static override forRoot(options: ScopedWorkerModuleOptions = {}): DynamicModule {
    return super.forRoot(options);
  }
}
