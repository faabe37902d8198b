import type { TickReport } from 'nestjs-scoped-worker';
import type { PoolCount } from './pool-numbers.js';

/** One scope that has ended, as the terminal and `GET /ticks` show it: an attempt of a tick, or a scope by hand. */
export interface TickEntry {
  readonly endedAt: Date;
  readonly schedule: string;
  /** Undefined for a scope by hand. */
  readonly tick: string | undefined;
  /** Undefined when the tick ended outside of its scopes. */
  readonly scope: string | undefined;
  /** Undefined when nobody noted it. */
  readonly entityManager: number | undefined;
  readonly built: number;
  readonly disposed: number;
  readonly durationMs: number;
  readonly pool: PoolCount;
  /** `ended`: a scope by hand, of which no outcome is told. */
  readonly outcome: TickReport['outcome'] | 'retrying' | 'ended';
  readonly note: string;
}
