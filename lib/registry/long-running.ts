/** Work that lives as long as the application: background workers, consumers, the memory watch. */
export interface LongRunning {
  /** Starts the work once start-up has settled. Must not wait for the work to finish. */
  start(): void;
  /** Prevents new work from starting. Called once, when the shutdown begins. */
  stop(): void;
  /** Asks running work to stop. Called once, when the listeners for `shutdown:started` have finished. */
  interrupt?(): void;
  /** Returns the work that hasn't finished. */
  stragglers?(): Straggler[];
}

/** Work that the shutdown waits for. `Drain` collects the stragglers. */
export interface Straggler {
  /**
   * The name for the log, such as `ReportWorker.send (tick-1)`; undefined if another straggler that has a name includes this work.
   */
  readonly name: string | undefined;
  /** True if the work usually stops immediately, so that the log doesn't have to say that the shutdown waits for it. */
  readonly isBrief?: boolean;
  /** Resolves when the work has finished; never rejects. */
  readonly done: Promise<unknown>;
}
