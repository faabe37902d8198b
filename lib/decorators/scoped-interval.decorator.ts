import type { FromProviders } from '../schedule/from-providers.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { addHandler } from './worker-metadata.js';

/**
 * Calls the method every `everyMs` milliseconds, each time in its own scope, with the `Tick`. The first tick is due one period
 * after start-up, or after `initialDelayMs` if you set it. By default runs don't overlap: ticks that come due during a run merge
 * into one that follows immediately.
 *
 * @param everyMs from 1 to 4,294,967,294 (49.7 days). Or `{ inject, useFactory }`: the library calls the factory once, after
 * every `onModuleInit`. It may return a promise, and `'-'` to disable the schedule.
 * @throws {InvalidScheduleError} at start-up, if the period or an option is invalid.
 * @publicApi
 */
export function ScopedInterval(
  everyMs: number | FromProviders<number | '-'>,
  options?: HandlerOptions,
): MethodDecorator {
  return (target, method) =>
    addHandler(target, {
      kind: 'interval',
      decorator: '@ScopedInterval',
      method: String(method),
      when: everyMs,
      options,
    });
}
