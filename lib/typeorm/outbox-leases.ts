import { Alarm } from '../util/alarm.js';
import type { ClaimedRow } from './outbox-table.js';

/** What the leases need of the table. */
export interface RenewableTable {
  readonly isReachable: boolean;
  renew(rows: readonly ClaimedRow[], leaseMs: number): Promise<void>;
}

/**
 * Holds the claimed rows until each is settled, beyond the end of the iteration that claimed them, and
 * renews them all at once, every third of their lease: one renewal may fail before a row is lost.
 */
export class OutboxLeases {
  readonly #held = new Set<ClaimedRow>();
  readonly #alarm = new Alarm(true);
  #state: 'off' | 'armed' | 'renewing' = 'off';
  #renewal: Promise<void> = Promise.resolve();

  constructor(
    private readonly table: RenewableTable,
    readonly leaseMs: number,
  ) {}

  hold(row: ClaimedRow): void {
    this.#held.add(row);
    if (this.#state === 'off') this.arm();
  }

  /** Ends the renewal of a row, and waits for one under way: it would undo what is done to the row next. */
  async letGo(row: ClaimedRow): Promise<void> {
    this.#held.delete(row);
    if (this.#held.size === 0 && this.#state === 'armed') {
      this.#state = 'off';
      this.#alarm.clear();
    }
    await this.#renewal;
  }

  private arm(): void {
    this.#state = 'armed';
    const renew = (): void => void (this.#renewal = this.renew());
    this.#alarm.set(Date.now() + this.leaseMs / 3, renew, renew);
  }

  private async renew(): Promise<void> {
    this.#state = 'renewing';
    try {
      await this.table.renew([...this.#held], this.leaseMs);
    } catch {
      // The next third tries again. A row that is lost meanwhile is reported by its ack().
    }
    this.#state = 'off';
    if (this.#held.size > 0 && this.table.isReachable) this.arm();
  }
}
