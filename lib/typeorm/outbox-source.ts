import type { DataSource, EntityTarget, ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import type { Delivery, MessageSource } from '../consumers/source/message-source.js';
import { OutboxAlerts } from './outbox-alerts.js';
import { OutboxAnnouncer, outboxChannel } from './outbox-channel.js';
import { entityName } from './scoped-tokens.js';
import { readOutboxColumns } from './outbox-columns.js';
import { OutboxDelivery, putOff } from './outbox-delivery.js';
import { OutboxLeases } from './outbox-lease-renewal.js';
import {
  resolveOutboxOptions,
  type OutboxSourceOptions,
  type ResolvedOutboxOptions,
} from './outbox-options.js';
import { OutboxTable, type ClaimedRow } from './outbox-table.js';

/**
 * Creates a source that reads messages from a PostgreSQL table. A row is delivered after the transaction that inserted it has
 * committed, and never if that transaction rolls back. Each message is delivered at least once, and to one reader at a time across
 * all processes. A reader leases the message for `leaseMs`, and renews the lease while the message is processed. The lease holds no
 * connection. Messages are usually delivered in order of `availableAt`, but this order isn't guaranteed: messages are processed
 * concurrently, and failed ones are postponed.
 *
 * You define the entity. It has one primary column and these columns:
 * - `availableAt` (timestamptz): the earliest time of the next delivery;
 * - `deliveries` (int): the number of deliveries, which the source counts.
 *
 * It may also have these columns:
 * - `deadAt` (timestamptz, nullable): marks dead letters, which are kept;
 * - `lastError` (text, nullable): the text of the last failure;
 * - `deliveredAt` (timestamptz, nullable): marks processed rows, which are kept; without this column, they are deleted.
 *
 * The `body` of a delivery is the entity, as `find()` would load it.
 *
 * @param dataSource the data source of the entity; in Nest, `inject: [getDataSourceToken()]`. If it isn't initialized yet, the
 * columns are checked on the first read.
 * @throws {InvalidOptionsError} if an option, the data source, or a column of the entity is invalid.
 * @publicApi
 */
export function outboxSource<T extends ObjectLiteral>(
  entity: EntityTarget<T>,
  dataSource: DataSource,
  options: OutboxSourceOptions = {},
): MessageSource<T> {
  checkArguments(entity, dataSource);
  const name = entityName(entity);
  const resolved = resolveOutboxOptions(options, name);
  checkDataSource(name, dataSource, resolved.listen);
  return new OutboxSource(entity, dataSource, resolved);
}

interface Outbox<T extends ObjectLiteral> {
  readonly table: OutboxTable<T>;
  readonly leases: OutboxLeases;
  readonly channel: string | undefined;
}

class OutboxSource<T extends ObjectLiteral> implements MessageSource<T> {
  #outbox: Outbox<T> | undefined;

  constructor(
    private readonly entity: EntityTarget<T>,
    private readonly dataSource: DataSource,
    private readonly options: ResolvedOutboxOptions,
  ) {
    if (dataSource.isInitialized) this.open();
  }

  get keepsDeadLetters(): boolean {
    return this.dataSource.isInitialized && this.open().table.keepsDeadLetters;
  }

  /**
   * Reads messages until the signal is aborted. Then waits for a pending claim, and immediately returns the claimed row to the
   * outbox.
   */
  async *read(signal: AbortSignal): AsyncGenerator<Delivery<T>, void, undefined> {
    if (signal.aborted) return;
    const outbox = this.open();
    const { table, leases, channel } = outbox;
    const alerts = new OutboxAlerts(this.dataSource);
    signal.addEventListener('abort', alerts.stop, { once: true });
    try {
      while (!signal.aborted) {
        // Runs each time, because a data source that was initialized again has lost its listener and announcer.
        this.open();
        if (channel !== undefined) void alerts.listen(channel);
        const row = await table.claim(leases.leaseMs);
        if (row === undefined) {
          await alerts.wait(this.options.pollMs);
          continue;
        }
        const delivery = await this.delivery(row, outbox);
        if (signal.aborted) await delivery?.nack();
        else if (delivery !== undefined) yield delivery;
      }
    } finally {
      signal.removeEventListener('abort', alerts.stop);
      alerts.stop();
    }
  }

  private open(): Outbox<T> {
    const { entity, dataSource, options } = this;
    if (this.#outbox === undefined) {
      if (!dataSource.isInitialized) throw new Error(notInitialized(entityName(entity)));
      const columns = readOutboxColumns(entity, dataSource);
      const channel = options.listen ? outboxChannel(entity, dataSource) : undefined;
      const table = new OutboxTable(dataSource, entity, columns, channel);
      this.#outbox = { table, leases: new OutboxLeases(table, options.leaseMs), channel };
    }
    if (this.#outbox.channel !== undefined) OutboxAnnouncer.register(entity, dataSource);
    return this.#outbox;
  }

  /** Loads the entity of a row. Postpones a row that can't be loaded, so that it doesn't block the others. */
  private async delivery(
    row: ClaimedRow,
    { table, leases }: Outbox<T>,
  ): Promise<OutboxDelivery<T> | undefined> {
    const { retryDelayMs } = this.options;
    leases.hold(row);
    let body: T | null;
    try {
      body = await table.load(row);
    } catch (error) {
      await leases.letGo(row);
      await putOff(row, table, retryDelayMs, error).catch(() => undefined); // the first error is the one to report
      throw error;
    }
    if (body !== null) return new OutboxDelivery(body, row, table, leases, retryDelayMs);
    await leases.letGo(row); // the row was deleted
    return undefined;
  }
}

function checkArguments(entity: unknown, dataSource: unknown): void {
  const problems: string[] = [];
  if (entity === undefined || entity === null) {
    problems.push('outboxSource(): the entity is undefined. Look for a circular import.');
  }
  const { createQueryRunner } = (dataSource ?? {}) as Partial<DataSource>;
  if (typeof createQueryRunner !== 'function') {
    problems.push(
      'outboxSource(): the second argument must be a TypeORM DataSource. In Nest, inject getDataSourceToken().',
    );
  }
  if (problems.length > 0) throw new InvalidOptionsError(problems);
}

function checkDataSource(name: string, dataSource: DataSource, listen: boolean): void {
  const { type, poolSize, extra } = dataSource.options as {
    readonly type: string;
    readonly poolSize?: number;
    readonly extra?: { readonly max?: number };
  };
  if (type !== 'postgres') {
    throw new InvalidOptionsError([
      `outboxSource(${name}): the data source is of type '${type}', but an outbox requires 'postgres'.`,
    ]);
  }
  if (listen && (extra?.max ?? poolSize) === 1) {
    throw new InvalidOptionsError([
      `outboxSource(${name}): the pool of the data source has one connection, which listening would occupy. Increase poolSize, or set { listen: false }.`,
    ]);
  }
}

function notInitialized(name: string): string {
  return `outboxSource(${name}): the data source is not initialized, so the outbox cannot be read. Await dataSource.initialize() first.`;
}
