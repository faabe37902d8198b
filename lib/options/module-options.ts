import type { Engine } from '../engine/engine.js';
import type { Allowance } from './allow-options.js';
import type { AroundHook } from '../tick/around.js';
import type { Tick } from '../tick/tick.interface.js';
import type { HandlerDefaults, ScheduleOverride } from '../schedule/handler-options.js';
import type { MemoryOptions } from '../memory/memory-options.js';
import type { LeakDetectionOptions } from './leak-options.js';
import { ConfigurableModuleBuilder } from '@nestjs/common';

/**
 * Says how long the library keeps the records of completed work.
 *
 * @publicApi
 */
export interface OnceRetention {
  /**
   * Milliseconds, at least 60,000, after which a record is deleted. Work that runs again after that counts a
   * second time. While the application runs, the library deletes old records at least once an hour.
   *
   * @defaultValue 604_800_000 (7 days)
   */
  readonly keepForMs?: number;
}

/**
 * Options of `ScopedWorkerModule.forRoot()`, all optional.
 *
 * @publicApi
 */
export interface ScopedWorkerModuleOptions {
  /** The source of ticks. Default: `inProcessEngine()`. */
  readonly engine?: Engine;
  /**
   * Decides which findings stop start-up. Errors after which nothing can run, such as an invalid cron expression or a duplicate
   * name, always stop it. `'strict'`: all errors and warnings. `'error'`: all errors; warnings are logged once. `'warn'`: no other
   * findings; all are logged. `'off'`: the same, but nothing is logged, and lifetimes aren't checked. The option works the same
   * way in every environment.
   *
   * @defaultValue 'error'
   */
  readonly scopeValidation?: 'strict' | 'error' | 'warn' | 'off';
  /** Intentional findings, which aren't reported and don't stop start-up. @defaultValue [] */
  readonly allowFindings?: readonly Allowance[];
  /**
   * Runs the `@Cron`, `@Interval` and `@Timeout` handlers (from `@nestjs/schedule`) that Nest skips because their class isn't a
   * singleton. Each tick has its own scope. Nest keeps running the other handlers. If false, skipped handlers stop start-up.
   *
   * @defaultValue false
   */
  readonly adoptNestSchedules?: boolean;
  /** Options for every handler; the options of a decorator override them. */
  readonly defaults?: HandlerDefaults;
  /** Options by schedule name, which override all others. A name without a schedule stops start-up. */
  readonly overrides?: Readonly<Record<string, ScheduleOverride>>;
  /** Milliseconds that the shutdown waits for running ticks before it aborts them. @defaultValue 0 */
  readonly drainTimeoutMs?: number;
  /** Milliseconds that the shutdown waits for running ticks in total, including `drainTimeoutMs`. @defaultValue 30_000 */
  readonly shutdownTimeoutMs?: number;
  /**
   * Milliseconds within which each disposer must settle. The same limit applies to builds that are pending when a scope ends.
   *
   * @defaultValue 10_000
   */
  readonly disposeTimeoutMs?: number;
  /**
   * Called and awaited for every attempt of a tick before anything is built in the attempt's scope. If the function calls
   * `enterWith()` on an AsyncLocalStorage before its first `await`, constructors and the handler see that store.
   */
  readonly onOpen?: (tick: Tick) => void | Promise<void>;
  /**
   * Hooks around every attempt of every tick, the first hook outermost: `(tick, next) => cls.run(() => next())`. `next()` settles
   * when the scope is disposed, and rejects with the error of an attempt that didn't succeed.
   *
   * If a hook throws before it calls `next()`, the attempt fails in the `open` phase; if it throws later, in the `around` phase.
   * In both cases, the library doesn't acknowledge the message of a consumer.
   */
  readonly around?: readonly AroundHook[];
  /**
   * Runs global guards, interceptors, pipes and filters (such as `app.useGlobalGuards()` and `APP_GUARD`) around handlers too.
   * Enhancers on a worker or on a handler always run, except on adopted handlers, which run without enhancers. Most global
   * enhancers are written for HTTP requests: check `context.getType() === 'scoped-worker'` to recognize a tick.
   *
   * @defaultValue false
   */
  readonly globalEnhancers?: boolean;
  /**
   * Decides how the providers of a scope are built. With `'compiled'`, Nest builds them the first two times. After that, a plan
   * repeats what Nest did: the same calls, in the same order, with the same arguments. Nest still builds what a plan can't repeat,
   * and the inspector shows the reason. With `'nest'`, Nest builds them every time. A handler's `resolution` overrides this
   * option.
   *
   * @defaultValue 'compiled'
   */
  readonly resolution?: 'compiled' | 'nest';
  /**
   * Compares the fields of a worker before and after its handler runs, in the first three calls to each handler. If a field was
   * changed or added, reports the finding `state-on-worker` once: the next tick has a new worker, so it doesn't see the change.
   * Calls no getters, and doesn't see changes inside an object or a collection. Off with `scopeValidation: 'off'`.
   *
   * @defaultValue true, unless `NODE_ENV` is `production`
   */
  readonly stateDetection?: boolean;
  /**
   * Looks for scoped instances that outlive their scope and for standalone scopes that are never closed, and emits `leak:found`,
   * `leak:scope` and `leak:call`. Off by default in every environment; `{}` turns it on.
   */
  readonly leakDetection?: LeakDetectionOptions;
  /** Options for the records that the library writes for handlers with the option `once`. */
  readonly once?: OnceRetention;
  /**
   * Watches the memory of the process: reports the schedules whose memory grows, warns at one threshold, and stops the application
   * gracefully at another. Off by default; `{}` turns it on without thresholds.
   */
  readonly memory?: MemoryOptions;
}

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: SCOPED_WORKER_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<ScopedWorkerModuleOptions>({ moduleName: 'ScopedWorker' })
  .setClassMethodName('forRoot')
  .build();
