import { Alarm } from '../util/alarm.js';
import type { ClaimedRow, OutboxTable } from './outbox-table.js';

/**
 * Keeps the claimed rows until each is settled, even after the iteration that claimed them has ended. `OutboxTable#claim()` begins
 * their leases. This class renews the leases together each time a third of `leaseMs` has elapsed, so that no row is
 * lost if one renewal fails.
 */
export class OutboxLeases {
  readonly #held = new Set<ClaimedRow>();
  readonly #alarm: Alarm;
  #state: 'off' | 'armed' | 'renewing' = 'off';
  #renewal: Promise<void> = Promise.resolve();

  constructor(
    private readonly table: Pick<OutboxTable<never>, 'isReachable' | 'renew'>,
    readonly leaseMs: number,
  ) {
    const renew = (): void => void (this.#renewal = this.renew());
    this.#alarm = new Alarm(true, { ring: renew, onSetBack: renew });
  }

  hold(row: ClaimedRow): void {
    this.#held.add(row);
    if (this.#state === 'off') this.arm();
  }

  /** Stops renewing a row's lease. Waits for a pending renewal, which could undo the next change to the row. */
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
    this.#alarm.set(Date.now() + this.leaseMs / 3);
  }

  private async renew(): Promise<void> {
    this.#state = 'renewing';
    try {
      await this.table.renew([...this.#held], this.leaseMs);
    } catch {
      // The next renewal tries again. If a row is lost before that, its ack() rejects.
    }
    this.#state = 'off';
    if (this.#held.size > 0 && this.table.isReachable) this.arm();
  }
}
