/** Something the shutdown waits for. */
export interface Straggler {
  /** For the log, such as `ReportWorker.send (tick-1)`; undefined when it is part of another that is named. */
  readonly name: string | undefined;
  /** It ends soon at the request to stop, mostly: no reason to say that the shutdown waits. */
  readonly isBrief?: boolean;
  /** Settles when it has ended; never rejects. */
  readonly done: Promise<unknown>;
}

/** Work that lives as long as the application: background workers, consumers, the memory watch. */
export interface LongRunning {
  /** Called once, when start-up has settled; must not wait for the work. */
  start(): void;
  /** Called once, when the shutdown begins: nothing new is begun. */
  stop(): void;
  /** Called once, when the listeners of `shutdown:started` have finished: asks running work to end. */
  interrupt?(): void;
  /** What has not ended. */
  stragglers(): Straggler[];
}
