import { refuseBare } from '../errors/errors.js';
import type { FromProviders } from '../schedule/from-providers.js';
import type { HandlerOptions } from '../schedule/handler-options.js';
import { handlerDecorator } from './handler-metadata.js';

/**
 * Calls the method with the `Tick` each time the cron expression is due, in a new scope.
 *
 * @param expression five fields, or six with the seconds first, as for `@Cron` from `@nestjs/schedule`; `'-'` disables the
 * schedule. Or `{ inject, useFactory }`: the library calls the factory once, after every `onModuleInit`. The factory may return a
 * promise. A `Date` isn't allowed: for a single run, use `@ScopedTimeout`.
 * @throws {InvalidScheduleError} at start-up, if the expression or an option is invalid.
 * @publicApi
 */
export function ScopedCron(
  expression: string | FromProviders<string>,
  options?: HandlerOptions,
): MethodDecorator {
  refuseBare('@ScopedCron(expression)', arguments);
  return handlerDecorator({ kind: 'cron', decorator: '@ScopedCron', when: expression, options });
}

/**
 * Calls the method with the `Tick` every `everyMs` milliseconds, each time in a new scope. The first tick is due one period after
 * start-up, or after `initialDelayMs` if you set it. By default, runs don't overlap: ticks that come due during a run merge into
 * one that follows immediately.
 *
 * @param everyMs from 1 to 4,294,967,294 (49.7 days). Or `{ inject, useFactory }`: the library calls the factory once, after every
 * `onModuleInit`. The factory may be async, and may return `'-'` to disable the schedule.
 * @throws {InvalidScheduleError} at start-up, if the period or an option is invalid.
 * @publicApi
 */
export function ScopedInterval(
  everyMs: number | FromProviders<number | '-'>,
  options?: HandlerOptions,
): MethodDecorator {
  refuseBare('@ScopedInterval(everyMs)', arguments);
  return handlerDecorator({
    kind: 'interval',
    decorator: '@ScopedInterval',
    when: everyMs,
    options,
  });
}

/**
 * Calls the method with the `Tick` once, `delayMs` milliseconds after start-up, in a new scope.
 *
 * @param delayMs from 0 to 4,294,967,294 (49.7 days). Or `{ inject, useFactory }`: the library calls the factory once, after every
 * `onModuleInit`. The factory may be async, and may return `'-'` to disable the schedule.
 * @throws {InvalidScheduleError} at start-up, if the delay or an option is invalid.
 * @publicApi
 */
export function ScopedTimeout(
  delayMs: number | FromProviders<number | '-'>,
  options?: HandlerOptions,
): MethodDecorator {
  refuseBare('@ScopedTimeout(delayMs)', arguments);
  return handlerDecorator({ kind: 'timeout', decorator: '@ScopedTimeout', when: delayMs, options });
}
