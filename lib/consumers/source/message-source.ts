/**
 * One message that a source delivers to a consumer. The library settles a delivery by calling one of its methods, once. If
 * `deadLetter()` fails, the library then calls `nack(error)`.
 *
 * @publicApi
 */
export interface Delivery<T = unknown> {
  /** The content of the message; the handler receives it as `tick.payload`. */
  readonly body: T;
  /** Identifies the message: all its deliveries have the same id. */
  readonly id: string;
  /** The number of deliveries so far, including this one. By default, the consumer counts them by `id`, in this process only. */
  readonly deliveries?: number;
  /** Acknowledges the message, after the scope of its tick has been committed and disposed. */
  ack(): unknown;
  /**
   * Sends the message back to the source, to be delivered again.
   *
   * @param error the reason for the failure; undefined if the message was interrupted. An interrupted delivery doesn't count.
   */
  nack(error?: unknown): unknown;
  /** Puts the message aside permanently, where someone can find it. Required if the source has `keepsDeadLetters`. */
  deadLetter?(error: unknown): unknown;
}

/**
 * Delivers messages from a queue, a table or a socket. Provide an object of this type, and pass its token to
 * `@ScopedConsumer(token)`.
 *
 * @publicApi
 */
export interface MessageSource<T = unknown> {
  /**
   * Starts to read. The library requests the next message only when a tick can run for it immediately, and never has two requests
   * pending. When the iteration ends or throws, the library calls `read` again after a pause.
   *
   * @param signal is aborted when the application stops or the consumer is removed: end the iteration, and release undelivered
   * messages. The shutdown waits for a pending `next()`, and for `return()`, until `shutdownTimeoutMs` has elapsed. Each call to
   * `read` has its own signal, which is also aborted after a failure, to end anything that the call left running.
   */
  read(signal: AbortSignal): AsyncIterable<Delivery<T>>;
  /** True if each delivery has `deadLetter()`. */
  readonly keepsDeadLetters?: boolean;
}
