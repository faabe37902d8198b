import type { Straggler } from './straggler.interface.js';

/** Work that lives as long as the application: background workers, consumers, the memory watch. */
export interface LongRunning {
  /** Starts the work once start-up has settled. Must not wait for the work to finish. */
  start(): void;
  /** Starts no new work from now on. Called once, when the shutdown begins. */
  stop(): void;
  /** Asks running work to stop. Called once, when the listeners of `shutdown:started` have finished. */
  interrupt?(): void;
  /** Returns the work that hasn't finished. */
  stragglers?(): Straggler[];
}
