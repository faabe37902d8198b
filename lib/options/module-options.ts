import type { Engine } from '../engine/engine.js';
import type { Allowance } from './allow-options.js';
import type { AroundHook } from '../tick/around.js';
import type { Tick } from '../tick/tick.js';
import type { HandlerDefaults, ScheduleOverride } from '../schedule/handler-options.js';
import type { MemoryOptions } from '../memory/memory-options.js';
import type { LeakDetectionOptions } from './leak-options.js';
import { ConfigurableModuleBuilder } from '@nestjs/common';

/**
 * Options of `ScopedWorkerModule.forRoot()`. All are optional.
 *
 * @publicApi
 */
export interface ScopedWorkerModuleOptions {
  /** The source of ticks. Default: `inProcessEngine()`. */
  readonly engine?: Engine;
  /**
   * What stops start-up besides errors that leave no choice (a cron expression that cannot be read, a
   * name used twice). `'strict'`: warnings too. `'error'`: errors; warnings are logged once. `'warn'`: nothing
   * that can be worked around, everything is logged. `'off'`: as `'warn'`, without the log, and lifetimes are not looked at.
   * The same in every environment.
   *
   * @defaultValue 'error'
   */
  readonly scopeValidation?: 'strict' | 'error' | 'warn' | 'off';
  /** Findings that are meant so; they are neither reported nor stop start-up. @defaultValue [] */
  readonly allowFindings?: readonly Allowance[];
  /**
   * Runs `@Cron`, `@Interval` and `@Timeout` of `@nestjs/schedule` that Nest skips because their class cannot be a
   * singleton, each tick in a scope of its own. Those that Nest does run are left to it. With false they stop start-up.
   *
   * @defaultValue false
   */
  readonly adoptNestSchedules?: boolean;
  /** For every handler; the decorator's own options beat them. */
  readonly defaults?: HandlerDefaults;
  /** By schedule name; beat everything. A name that no schedule has stops start-up. */
  readonly overrides?: Readonly<Record<string, ScheduleOverride>>;
  /** Milliseconds in which running ticks may finish on shutdown before they are aborted. @defaultValue 0 */
  readonly drainTimeoutMs?: number;
  /** Milliseconds in which all running ticks together must end on shutdown; `drainTimeoutMs` is part of it. @defaultValue 30_000 */
  readonly shutdownTimeoutMs?: number;
  /** Milliseconds in which one disposer must settle. @defaultValue 10_000 */
  readonly disposeTimeoutMs?: number;
  /**
   * Called for every tick before anything is built in its scope; awaited. What it puts into
   * AsyncLocalStorage with `enterWith` before its first `await` is seen by constructors and the handler.
   */
  readonly onOpen?: (tick: Tick) => void | Promise<void>;
  /**
   * Hooks around every attempt of every tick, the first one outermost: `(tick, next) => cls.run(() => next())`. `next()`
   * settles when the scope is disposed, and rejects with the error of an attempt that did not succeed.
   *
   * If a hook throws, the attempt fails: in the phase `open` before it has called `next()`, in the phase `around` afterwards.
   * The message is then not acknowledged.
   */
  readonly around?: readonly AroundHook[];
  /**
   * Has global guards, interceptors, pipes and filters (`app.useGlobalGuards()`, `APP_GUARD` and their like) run around
   * handlers as well. Those that stand on a worker or on a handler always run. Most global ones are written for HTTP requests;
   * what tells a tick apart is `context.getType() === 'scoped-worker'`.
   *
   * @defaultValue false
   */
  readonly globalEnhancers?: boolean;
  /**
   * Compares the fields of a worker before and after its handler, in the first three calls of each handler, and reports the
   * finding `state-on-worker` once if a field was changed or added, because the next tick has another worker. It does not call
   * getters, and does not see changes inside an object or a collection. Off under `scopeValidation: 'off'`.
   *
   * @defaultValue true, unless `NODE_ENV` is `production`
   */
  readonly stateDetection?: boolean;
  /**
   * Looks for scoped instances that outlive their scope, and for scopes by hand that nobody closes, and tells them by
   * `leak:found`, `leak:scope` and `leak:call`. Off unless it is given, in every environment; `{}` turns it on.
   */
  readonly leakDetection?: LeakDetectionOptions;
  /**
   * Watches the memory of the process: tells which schedules grow, warns at a threshold, and stops the application gracefully at
   * another one. Off unless it is given; `{}` takes samples only.
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
