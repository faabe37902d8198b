/** Work failed that no code awaits. */
export interface StrayFailure {
  /**
   * - `abort-listener`: a listener of the signal of a tick, a background worker or a source threw.
   * - `wait-for`: work passed to `waitFor` failed after the work of the scope had failed with another error.
   * - `late-disposer`: a disposer failed when it was no longer awaited: after its time limit, or on an instance that arrived late.
   * - `engine`: the engine failed to stop, to change a schedule, or to say when it is due next.
   * - `retry-backoff`: `retry.backoffMs` threw or didn't return a number. The next attempt begins at once.
   * - `nack`, `dead-letter`: a message could not be sent back, or put aside.
   * - `source`: a source failed while its consumer stopped, or did not end in time.
   * - `memory`: the memory could not be read.
   * - `refused-write`: the work caught an error that the library has thrown, and the scope ended without it.
   */
  readonly where:
    | 'abort-listener'
    | 'wait-for'
    | 'late-disposer'
    | 'engine'
    | 'retry-backoff'
    | 'nack'
    | 'dead-letter'
    | 'source'
    | 'memory'
    | 'refused-write';
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  /** The name of the background worker, if one failed. */
  readonly worker?: string;
  readonly error: unknown;
}
