/** Work that the shutdown waits for. `Drain` collects the stragglers. */
export interface Straggler {
  /** For the log, such as `ReportWorker.send (tick-1)`; undefined if it is part of another straggler that has a name. */
  readonly name: string | undefined;
  /** True if it usually stops immediately, so that the log doesn't have to say that the shutdown waits for it. */
  readonly isBrief?: boolean;
  /** Resolves when it has finished; never rejects. */
  readonly done: Promise<unknown>;
}
