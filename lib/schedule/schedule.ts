import type { NestWrapper } from '../nest/index.js';
import type { ResolvedHandlerOptions } from './handler-options.js';
import type { Timeline } from './timeline.js';

/** When a handler is due: one decorator, with every default and override filled in. */
export interface Schedule {
  /** Unique in the application. */
  readonly name: string;
  /** The handler, written `Class.method`. */
  readonly handler: string;
  readonly kind: 'cron' | 'interval' | 'timeout';
  /** The cron expression; undefined for intervals and timeouts. */
  readonly expression: string | undefined;
  /** The period or delay in milliseconds; undefined for crons. */
  readonly everyMs: number | undefined;
  readonly timeline: Timeline;
  readonly options: ResolvedHandlerOptions;
  /** Where the worker is built, and the method that is called. */
  readonly target: { readonly worker: NestWrapper; readonly method: string };
}
