import type { FromProviders } from '../schedule/from-providers.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { addHandler } from './worker-metadata.js';

/**
 * Calls the method once, `delayMs` milliseconds after start-up, in its own scope, with the `Tick`.
 *
 * @param delayMs from 0 to 4,294,967,294 (49.7 days). Or `{ inject, useFactory }`: the library calls the factory once, after
 * every `onModuleInit`. It may return a promise, and `'-'` to disable the schedule.
 * @throws {InvalidScheduleError} at start-up, if the delay or an option is invalid.
 * @publicApi
 */
export function ScopedTimeout(
  delayMs: number | FromProviders<number | '-'>,
  options?: HandlerOptions,
): MethodDecorator {
  return (target, method) =>
    addHandler(target, {
      kind: 'timeout',
      decorator: '@ScopedTimeout',
      method: String(method),
      when: delayMs,
      options,
    });
}
