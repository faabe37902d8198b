/** Something the shutdown waits for. */
export interface Straggler {
  /** For the log, such as `ReportWorker.send (tick-1)`. */
  readonly name: string;
  /** Settles when it has ended; never rejects. */
  readonly done: Promise<unknown>;
}

/** Work that lives as long as the application: background workers, consumers. */
export interface LongRunning {
  /** Called once, when start-up has settled; must not wait for the work. */
  start(): void;
  /** Called once, when the shutdown begins: nothing new is begun. */
  stop(): void;
  /** What has not ended. */
  stragglers(): Straggler[];
}
