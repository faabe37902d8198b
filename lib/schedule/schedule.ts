import type { NestWrapper } from '../nest/index.js';
import type { ResolvedConsumer } from './consumer-options.js';
import type { ResolvedHandlerOptions } from './handler-options.js';
import type { Timing } from './timing.js';

/** What a schedule calls: a method of a worker, which is built for it, or a function. */
export type HandlerTarget =
  | {
      readonly worker: NestWrapper;
      readonly method: string;
      /** Called as `@nestjs/schedule` would call it: without arguments, guards, interceptors, pipes and filters. */
      readonly isBare?: boolean;
      readonly call?: never;
      readonly isByHand?: never;
    }
  | {
      // oxlint-disable-next-line typescript/no-explicit-any -- the tick, which stands above schedules
      readonly call: (tick: any) => unknown;
      /** True for work of `ProviderScopeFactory.run()`, which is not a schedule of the registry. */
      readonly isByHand?: boolean;
      readonly worker?: never;
      readonly method?: never;
      readonly isBare?: never;
    };

/**
 * When a schedule is due: what an engine needs. It never changes: another timing is another object under the same name.
 *
 * @publicApi
 */
export interface EngineSchedule extends Timing {
  /** Unique in the application. */
  readonly name: string;
  /** With every default and override filled in. */
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

/** When a handler is due, and what it does then: one decorator, or one definition given at run time. */
export interface Schedule extends EngineSchedule {
  /** The handler, written `Class.method`; for a function, its name, or `'function'`. */
  readonly handler: string;
  readonly options: ResolvedHandlerOptions;
  readonly target: HandlerTarget;
  /** What `tick.payload` is when nothing else is given. */
  readonly payload?: unknown;
  /** Of consumers only. */
  readonly consumer?: ResolvedConsumer;
}

/**
 * Returns the name of a function as a handler. A function that is written as the property `handler` has only that name, which
 * is meaningless.
 */
export function functionName({ name }: Function): string {
  return name === '' || name === 'handler' ? 'function' : name;
}

/** True when it is listed and never due by itself. */
export function isDisabled({ options, isOff }: EngineSchedule): boolean {
  return options.disabled || isOff;
}

/** True when its period counts from the end of the tick before. A cron that was such an interval, and may be again, keeps the option. */
export function hasFixedDelay({ kind, options }: EngineSchedule): boolean {
  return kind === 'interval' && options.fixedDelay;
}
