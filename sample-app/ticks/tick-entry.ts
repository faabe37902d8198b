import type { TickReport } from 'nestjs-scoped-worker';
import type { PoolCount } from './pool-numbers.js';

/** One closed scope, as the terminal and `GET /ticks` show it: an attempt of a tick, or a standalone scope. */
export interface TickEntry {
  readonly endedAt: Date;
  readonly schedule: string;
  /** Undefined for a standalone scope. */
  readonly tick: string | undefined;
  /** Undefined if the tick finished outside its scopes. */
  readonly scope: string | undefined;
  /** Undefined if the scope has no note of it. */
  readonly entityManager: number | undefined;
  readonly built: number;
  readonly disposed: number;
  readonly durationMs: number;
  readonly pool: PoolCount;
  /** `ended` for a standalone scope, whose outcome isn't reported. */
  readonly outcome: TickReport['outcome'] | 'retrying' | 'ended';
  readonly note: string;
}
