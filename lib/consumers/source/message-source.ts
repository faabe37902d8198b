/**
 * One message, handed over by a source. When it has been dealt with, one of its methods is called, once; after a
 * `deadLetter()` that failed, `nack(error)` follows.
 *
 * @publicApi
 */
export interface Delivery<T = unknown> {
  /** What the handler gets as `tick.payload`. */
  readonly body: T;
  /** The same on each delivery of one message. */
  readonly id: string;
  /** How often the message has been delivered, this time included. Left out, the consumer counts by `id`, in this process only. */
  readonly deliveries?: number;
  /** The message is done. Called after its scope has committed and was disposed. */
  ack(): unknown;
  /**
   * The message goes back, to be delivered again.
   *
   * @param error why it failed; left out when it was only interrupted, which counts as no delivery.
   */
  nack(error?: unknown): unknown;
  /** Puts the message aside for good, where a person finds it. For sources with `keepsDeadLetters`. */
  deadLetter?(error: unknown): unknown;
}

/**
 * Where messages come from: a queue, a table, a socket. Provide an object of this shape, and name its token in
 * `@ScopedConsumer(token)`.
 *
 * @publicApi
 */
export interface MessageSource<T = unknown> {
  /**
   * Begins to read. The next message is asked for only when it can be worked on at once; there is never more than one request
   * at a time. When the iteration ends or throws, `read` is called again after a pause.
   *
   * @param signal is aborted when the application stops, or the consumer is removed: end the iteration, take back what is under
   * way. The shutdown waits for a pending `next()`, and for `return()`, until `shutdownTimeoutMs` is over. Each call has its
   * own signal, which is also aborted after a failure, to end everything that the call has left behind.
   */
  read(signal: AbortSignal): AsyncIterable<Delivery<T>>;
  /** True when each delivery has `deadLetter()`. */
  readonly keepsDeadLetters?: boolean;
}
