import type { NestWrapper } from '../nest/index.js';
import type { ResolvedConsumer } from './consumer-options.js';
import type { ResolvedHandlerOptions } from './handler-options.js';
import type { Timing } from './timing.js';

/** What a schedule calls: a function, or a method of a worker. Nest builds the worker for each attempt. */
export type HandlerTarget =
  | {
      readonly worker: NestWrapper;
      readonly method: string;
      /** True to call the method as `@nestjs/schedule` does: without arguments, guards, interceptors, pipes or filters. */
      readonly isBare?: boolean;
      readonly call?: never;
      readonly isStandalone?: never;
    }
  | {
      // oxlint-disable-next-line typescript/no-explicit-any -- the tick, whose type depends on schedules
      readonly call: (tick: any) => unknown;
      /** True for a standalone tick and for exclusive work, whose schedules aren't in the registry. */
      readonly isStandalone?: boolean;
      readonly worker?: never;
      readonly method?: never;
      readonly isBare?: never;
    };

/**
 * What an engine needs to know about a schedule. The object never changes: a new timing means a new object with the same name.
 *
 * @publicApi
 */
export interface EngineSchedule extends Timing {
  /** The name, unique in the application. */
  readonly name: string;
  /** The options, with every default and override filled in. */
  readonly options: Pick<
    ResolvedHandlerOptions,
    | 'disabled'
    | 'timeZone'
    | 'utcOffset'
    | 'misfire'
    | 'misfireThresholdMs'
    | 'initialDelayMs'
    | 'jitterMs'
    | 'runOnStart'
    | 'fixedDelay'
  >;
}

/** When a handler is due and how it is called, from one decorator or from one definition added at run time. */
export interface Schedule extends EngineSchedule {
  /** The handler, in the form `Class.method`; for a function, its name, or `'function'`. */
  readonly handler: string;
  readonly options: ResolvedHandlerOptions;
  readonly target: HandlerTarget;
  /** The default value of `tick.payload`. */
  readonly payload?: unknown;
  /** Set for consumers only. */
  readonly consumer?: ResolvedConsumer;
}

/**
 * Returns the name of a handler function. The name `handler` is meaningless, because any function that is written inline as
 * the `handler` property has that name.
 */
export function functionName({ name }: Function): string {
  return name === '' || name === 'handler' ? 'function' : name;
}

/** Returns true for a schedule that is listed, but never due by itself. */
export function isDisabled({ options, isOff }: EngineSchedule): boolean {
  return options.disabled || isOff;
}

/**
 * Returns true for a schedule whose period counts from when the previous tick finishes. A cron that was previously an interval
 * keeps the option, which then has no effect.
 */
export function hasFixedDelay({ kind, options }: EngineSchedule): boolean {
  return kind === 'interval' && options.fixedDelay;
}
