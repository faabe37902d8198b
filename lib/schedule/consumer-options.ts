import type { MessageSource } from '../consumers/source/message-source.js';
import type { CommonHandlerOptions } from './handler-options.js';

/** The part of a source from which the compiler infers its messages. */
export type SourceOf<T> = Pick<MessageSource<T>, 'read'>;

/** A message that failed as often as its consumer allows. */
export interface DeadLetter<T = unknown> {
  readonly body: T;
  readonly id: string;
  /** The name of the consumer. */
  readonly schedule: string;
  readonly deliveries: number;
  /** The error of the last delivery. If the earlier deliveries ended with their process, an `Error` that says so. */
  readonly error: unknown;
}

/**
 * What puts a dead letter where a person finds it; `resolve` gives providers of a scope of its own: what the consumer's module sees,
 * else what the whole application has.
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
  'name' | 'disabled' | 'timeoutMs' | 'retry' | 'onFailure' | 'maxConcurrency'
> {
  /** How many messages are worked on at once; the source is not read ahead. Minimum 1. Default: `maxConcurrency`, else 1. */
  readonly concurrency?: number;
  /**
   * The maximum number of deliveries of a message before it is put aside. It is put aside when the last one fails, or, without
   * calling the handler, if it is delivered again: its last delivery may have ended with the process. Interrupted deliveries do
   * not count. Needs `deadLetter`, or a source that keeps dead letters itself. Minimum 1. Default: no limit.
   */
  readonly maxDeliveries?: number;
  /**
   * Called, in its own scope, with a message that failed on its last delivery, or was delivered again after it; when it has
   * succeeded, the message is acknowledged. When it fails, the message goes back.
   */
  readonly deadLetter?: DeadLetterHandler<T>;
}

/** The part of a consumer's options that no other handler has, with every default filled in. */
export interface ResolvedConsumer {
  readonly source: MessageSource;
  /** The text of its token. */
  readonly sourceName: string;
  readonly concurrency: number;
  readonly maxDeliveries: number | undefined;
  readonly deadLetter: DeadLetterHandler<never> | undefined;
}
