import type { FromProviders } from '../schedule/from-providers.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { addHandler } from './worker-metadata.js';

/**
 * Calls the method whenever the cron expression is due, each time in a scope of its own, with the `Tick`.
 *
 * @param expression five or six fields, seconds first, as `@Cron` of `@nestjs/schedule` reads it; `'-'` disables the schedule.
 * Not a `Date`: use `@ScopedTimeout` for one firing. Or `{ inject, useFactory }`: the factory is called once, after every
 * `onModuleInit`, and may return a promise.
 * @throws {InvalidScheduleError} at start-up, when expression or options cannot work.
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
