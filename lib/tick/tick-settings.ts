import type { ProviderScope } from '../scope/provider-scope.js';
import type { TickInterceptor } from './around.js';
import type { Tick } from './tick.js';

/** What ticks need of the module's options. */
export abstract class TickSettings {
  abstract readonly onOpen:
    ((scope: ProviderScope, tick: Tick) => void | Promise<void>) | undefined;
  abstract readonly around: readonly TickInterceptor[];
  abstract readonly globalEnhancers: boolean;
  /** Whether the fields of workers are compared before and after their handlers. */
  abstract readonly stateDetection: boolean;
}
