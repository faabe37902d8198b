/** An error that doesn't make a tick fail. The code that catches it emits `failure:stray`. */
export interface StrayFailure {
  /**
   * - `abort-listener`: a listener on the abort signal of a tick, a background worker or a source threw.
   * - `wait-for`: work passed to `waitFor` failed after the scope's own work had failed with another error.
   * - `late-disposer`: a disposer failed after the library had stopped waiting for it, or on an instance that was built late.
   * - `engine`: the engine failed to stop, to change a schedule, or to return its next due time.
   * - `retry-backoff`: `retry.backoffMs` threw or didn't return a number. The next attempt begins immediately.
   * - `nack`, `dead-letter`: a message couldn't be sent back to its source, or put aside.
   * - `source`: a source failed while the library wasn't reading it, or didn't end in time.
   * - `once-cleanup`: old records of the option `once` couldn't be deleted. The library tries again later.
   * - `memory`: the memory watch couldn't read the memory.
   * - `refused-statement`: the library refused to send a statement, and the work either didn't await it or caught its error.
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
    | 'once-cleanup'
    | 'memory'
    | 'refused-statement';
  readonly schedule: string | undefined;
  readonly tickId: string | undefined;
  /** The name of the background worker, if the error concerns one. */
  readonly worker?: string;
  readonly error: unknown;
}
