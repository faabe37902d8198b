import type { MessageSource } from '../consumers/source/message-source.js';
import type { CommonHandlerOptions } from './handler-options.js';

/** The part of a source from which the compiler infers the type of its messages. */
export type SourceOf<T> = Pick<MessageSource<T>, 'read'>;

/** A message that has used up the deliveries that its consumer allows. */
export interface DeadLetter<T = unknown> {
  readonly body: T;
  readonly id: string;
  /** The name of the consumer. */
  readonly schedule: string;
  readonly deliveries: number;
  /** The error of the last delivery. If the process ended during that delivery, an `Error` that says so. */
  readonly error: unknown;
}

/**
 * Puts a dead letter where someone can find it. `resolve` finds providers in a new scope for this call. It first
 * searches the providers that the consumer's module sees, then those of the whole application.
 */
export type DeadLetterHandler<T = unknown> = (
  letter: DeadLetter<T>,
  resolve: <R>(token: (abstract new (...args: never[]) => R) | string | symbol) => Promise<R>,
) => unknown;

/**
 * Options of `@ScopedConsumer()`.
 *
 * @publicApi
 */
export interface ConsumerOptions<T = never> extends Pick<
  CommonHandlerOptions,
  | 'name'
  | 'disabled'
  | 'timeoutMs'
  | 'retry'
  | 'once'
  | 'onFailure'
  | 'maxConcurrency'
  | 'resolution'
> {
  /** The maximum number of messages in progress; none are prefetched. Minimum 1. Default: `maxConcurrency`, or else 1. */
  readonly concurrency?: number;
  /**
   * The maximum number of deliveries: a message is put aside when its last delivery fails. If it arrives again, it is put
   * aside without a call to the handler, because the process may have ended during its last delivery. Interrupted deliveries don't
   * count. Needs `deadLetter`, or a source that keeps dead letters itself. Minimum 1. Default: no limit.
   */
  readonly maxDeliveries?: number;
  /**
   * Called in a separate scope with a message that failed on its last delivery, or was delivered again after that. If the function
   * succeeds, the library acknowledges the message; if it fails, the message goes back to its source.
   */
  readonly deadLetter?: DeadLetterHandler<T>;
}

/** The options that only a consumer has, with every default filled in. */
export interface ResolvedConsumer {
  readonly source: MessageSource;
  /** The text of the source's token. */
  readonly sourceName: string;
  readonly concurrency: number;
  readonly maxDeliveries: number | undefined;
  readonly deadLetter: DeadLetterHandler<never> | undefined;
}
