import type { NestWrapper } from '../nest/index.js';
import type { Tick } from './tick.js';
import type { TickReport, TickRetry } from './tick-report.js';

/** Is told of every tick; must not throw. */
export abstract class TickObserver {
  /** The tick was fired and has its scope; nothing is built yet. */
  abstract tickStarted(tick: Tick): void;
  /** The tick has ended: its scope is closed. */
  abstract tickFinished(report: TickReport): void;
  abstract tickSkipped(report: TickReport): void;
  /** An attempt did not succeed, and there will be another. */
  abstract tickRetrying(retry: TickRetry): void;
  /** `retry.backoffMs` threw, or gave no number; the next attempt comes at once. */
  abstract backoffFailed(
    tick: { readonly schedule: string; readonly id: string },
    error: unknown,
  ): void;
  /** Called once for each handler that left changed fields on its worker. */
  abstract stateLeft(worker: NestWrapper, method: string, fields: readonly string[]): void;
  /** A listener of a tick's signal threw. */
  abstract abortListenerFailed(
    tick: { readonly schedule: string; readonly id: string },
    error: unknown,
  ): void;
}
