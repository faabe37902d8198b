import type { FromProviders } from '../schedule/from-providers.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { addHandler } from './worker-metadata.js';

/**
 * Calls the method every `everyMs` milliseconds, each time in a scope of its own, with the `Tick`. The first tick
 * comes one period after start-up (with `initialDelayMs`: after that delay). By default a run never
 * overlaps the one before; ticks that come due meanwhile merge into one that follows at once.
 *
 * @param everyMs from 1 to 4,294,967,294 (49.7 days). Or `{ inject, useFactory }`: the factory is called once, after every
 * `onModuleInit`. It may return a promise, and `'-'` to disable the schedule.
 * @throws {InvalidScheduleError} at start-up, when period or options cannot work.
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
