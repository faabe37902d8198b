import type { FromProviders } from '../schedule/from-providers.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { addHandler } from './worker-metadata.js';

/**
 * Calls the method each time the cron expression is due, in its own scope, with the `Tick`.
 *
 * @param expression five or six fields, seconds first, as `@Cron` of `@nestjs/schedule` reads it; `'-'` disables the schedule.
 * Or `{ inject, useFactory }`: the library calls the factory once, after every `onModuleInit`. It may return a promise. A `Date`
 * isn't allowed: for a single run, use `@ScopedTimeout`.
 * @throws {InvalidScheduleError} at start-up, if the expression or an option is invalid.
 * @publicApi
 */
export function ScopedCron(
  expression: string | FromProviders<string>,
  options?: HandlerOptions,
): MethodDecorator {
  return (target, method) =>
    addHandler(target, {
      kind: 'cron',
      decorator: '@ScopedCron',
      method: String(method),
      when: expression,
      options,
    });
}
