import { Inject, Module, Optional, type DynamicModule } from '@nestjs/common';
import { bareProperties } from './nest/index.js';
import {
  type ScopedWorkerModuleOptions,
  ConfigurableModuleClass,
  SCOPED_WORKER_OPTIONS,
} from './options/module-options.js';
import {
  checkedProvider,
  isProviderOfOptions,
  refuseAsyncOptions,
  type AsyncOptions,
} from './options/async-options.js';
import { ScopedWorkerCoreModule } from './scoped-worker-core.module.js';
import { ScopedWorkerServices } from './scoped-worker-services.js';
import { isOptions } from './util/option-checks.js';

/**
 * Runs the handlers of `@ScopedWorker()` classes, each tick in its own scope. Import this module once, in the root module: its
 * services are global.
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
    const given = options === undefined ? {} : options;
    services.options.declare(given, isOptions(given) ? bareProperties(given) : given);
  }

  /**
   * Configures the library.
   *
   * @throws {StartUpError} at start-up, before anything is scheduled; `problems` lists every problem. The error is an
   * `InvalidOptionsError`, `InvalidScheduleError` or `DuplicateScheduleError`, or a `ScopeValidationError` for other findings and
   * for problems of several kinds.
   */
  static override forRoot(options: ScopedWorkerModuleOptions = {}): DynamicModule {
    const { providers = [], ...definition } = super.forRoot(options);
    // Nest would copy only own properties, so the library couldn't report inherited ones.
    const provider = { provide: SCOPED_WORKER_OPTIONS, useValue: options };
    return {
      ...definition,
      providers: providers.map((each) => (isProviderOfOptions(each) ? provider : each)),
    };
  }

  /**
   * Reads the options from providers. The factory must return an object; return `{}` for the defaults.
   *
   * @throws {InvalidOptionsError} immediately if an argument is invalid, and while Nest builds the application if a class has no
   * `create()`. Start-up fails with the same errors as with `forRoot()`.
   */
  static override forRootAsync(options: AsyncOptions): DynamicModule {
    refuseAsyncOptions(options);
    const { providers = [], ...definition } = super.forRootAsync(options);
    return {
      ...definition,
      providers: providers.map((provider) => checkedProvider(provider, options)),
    };
  }
}
