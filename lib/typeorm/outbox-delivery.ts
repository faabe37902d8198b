import type { ObjectLiteral } from 'typeorm';
import { limitProblem } from '../util/option-checks.js';
import { InvalidOptionsError } from '../errors/errors.js';
import { textOf } from '../errors/error-parts.js';
import type { Delivery } from '../consumers/source/message-source.js';
import type { OutboxLeases } from './outbox-lease-renewal.js';
import { DEFAULT_RETRY_DELAY, type ResolvedOutboxOptions } from './outbox-options.js';
import type { ClaimedRow, OutboxTable } from './outbox-table.js';

/**
 * Delivers a claimed row to the consumer. The first attempt to settle the row ends the renewal of its lease. If that
 * attempt fails and no other follows, the lease expires.
 */
export class OutboxDelivery<T extends ObjectLiteral> implements Delivery<T> {
  readonly id: string;
  readonly deliveries: number;
  readonly deadLetter?: (error: unknown) => Promise<void>;
  #isSettled = false;

  constructor(
    readonly body: T,
    private readonly row: ClaimedRow,
    private readonly table: OutboxTable<T>,
    private readonly leases: OutboxLeases,
    private readonly retryDelayMs: ResolvedOutboxOptions['retryDelayMs'],
  ) {
    this.id = row.id;
    this.deliveries = row.deliveries;
    if (table.keepsDeadLetters) {
      this.deadLetter = (error) =>
        this.settle(async () => {
          if (!(await table.bury(row, error))) throw new Error(this.lostText('put aside'));
        });
    }
  }

  ack(): Promise<void> {
    return this.settle(async () => {
      if (!(await this.table.finish(this.row))) throw new Error(this.lostText('acknowledged'));
    });
  }

  /** Returns the row to the outbox. Does nothing if another reader has claimed the row after its lease expired. */
  nack(error?: unknown): Promise<void> {
    return this.settle(async () => {
      if (error === undefined) await this.table.giveBack(this.row);
      else await putOff(this.row, this.table, this.retryDelayMs, error);
    });
  }

  /**
   * Settles the row. Allows another attempt after a failed one, because a message that couldn't be put aside goes back to its
   * source.
   */
  private async settle(change: () => Promise<void>): Promise<void> {
    if (this.#isSettled) throw new Error(settledText(this.row));
    this.#isSettled = true;
    try {
      await this.leases.letGo(this.row);
      await change();
    } catch (error) {
      this.#isSettled = false;
      throw error;
    }
  }

  private lostText(done: string): string {
    return `Delivery ${this.deliveries} of message ${this.id} cannot be ${done}: another reader has taken its row, or the row was deleted. Another reader takes a row if its lease of ${this.leases.leaseMs} ms is not renewed in time. Look for a blocked event loop, a connection pool that is too small, or a handler that deletes the row. Consider a longer leaseMs.`;
  }
}

function settledText({ id, deliveries }: ClaimedRow): string {
  return `Delivery ${deliveries} of message ${id} was already settled. Call exactly one of ack(), nack() and deadLetter(), once.`;
}

/** Postpones a row. If `retryDelayMs` throws or returns an invalid delay, uses the default delay, and throws afterwards. */
export async function putOff<T extends ObjectLiteral>(
  row: ClaimedRow,
  table: OutboxTable<T>,
  retryDelayMs: ResolvedOutboxOptions['retryDelayMs'],
  error: unknown,
): Promise<void> {
  let delayMs = DEFAULT_RETRY_DELAY(row.deliveries);
  let problem: InvalidOptionsError | undefined;
  try {
    const asked = retryDelayMs(row.deliveries);
    const wrong = limitProblem(asked, 0);
    if (wrong === undefined) delayMs = asked;
    else problem = badDelay(row, wrong);
  } catch (cause) {
    problem = badDelay(row, `failed: ${textOf(cause)}`, { cause });
  }
  await table.putOff(row, delayMs, error);
  if (problem !== undefined) throw problem;
}

function badDelay(row: ClaimedRow, wrong: string, options?: ErrorOptions): InvalidOptionsError {
  const sentence = `outboxSource(): retryDelayMs(${row.deliveries}) ${wrong}. Message ${row.id} is redelivered after the default delay.`;
  return new InvalidOptionsError([sentence], options);
}
