import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { ScopedWorkerModuleOptions } from './module-options.js';

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: SCOPED_WORKER_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<ScopedWorkerModuleOptions>({ moduleName: 'ScopedWorker' })
  .setClassMethodName('forRoot')
  .build();
