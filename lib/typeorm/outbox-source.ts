import type { DataSource, EntityTarget, ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import type { Delivery, MessageSource } from '../consumers/source/message-source.js';
import { OutboxAlerts } from './outbox-alerts.js';
import { OutboxAnnouncer, outboxChannel } from './outbox-channel.js';
import { entityName } from './scoped-tokens.js';
import { readOutboxColumns } from './outbox-columns.js';
import { OutboxDelivery, putOff } from './outbox-delivery.js';
import { OutboxLeases } from './outbox-leases.js';
import {
  resolveOutboxOptions,
  type OutboxSourceOptions,
  type ResolvedOutboxOptions,
} from './outbox-options.js';
import { OutboxTable, type ClaimedRow } from './outbox-table.js';

/**
 * Messages from a table of PostgreSQL: what a transaction inserts there is delivered after its commit, and never when
 * it is rolled back. Each message is delivered at least once, to one reader at a time, however many processes read: a reader takes
 * it for `leaseMs` and renews that while it is worked on. No connection is held meanwhile. The order is that of
 * `availableAt`, and is no promise: messages are worked on at once, and those that fail are put off.
 *
 * The entity is your own. It has one primary column and
 * - `availableAt` (timestamptz): from when on the message may be delivered;
 * - `deliveries` (int): how often it was; the source counts it;
 *
 * and may have
 * - `deadAt` (timestamptz, nullable): dead letters are kept, with this set;
 * - `lastError` (text, nullable): the text of the last failure;
 * - `deliveredAt` (timestamptz, nullable): what is done is kept, with this set; without the column the row is deleted.
 *
 * The `body` of a delivery is the entity, as `find()` would load it.
 *
 * @param dataSource where the entity is registered; in Nest, `inject: [getDataSourceToken()]`. Before it is initialised
 * it knows no columns: then they are checked with the first read.
 * @throws {InvalidOptionsError} when an option, the data source, or a column of the entity is not as it must be.
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

  /** A claim that is under way when the signal is aborted is waited for, so that its row is given back and not just left. */
  async *read(signal: AbortSignal): AsyncGenerator<Delivery<T>, void, undefined> {
    if (signal.aborted) return;
    const outbox = this.open();
    const { table, leases, channel } = outbox;
    const alerts = new OutboxAlerts(this.dataSource);
    signal.addEventListener('abort', alerts.stop, { once: true });
    try {
      while (!signal.aborted) {
        // Each time: a data source that was destroyed and initialised again knows neither listener nor announcer.
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
      if (!dataSource.isInitialized) throw new Error(notInitialised(entityName(entity)));
      const columns = readOutboxColumns(entity, dataSource);
      const channel = options.listen ? outboxChannel(entity, dataSource) : undefined;
      const table = new OutboxTable(dataSource, entity, columns, channel);
      this.#outbox = { table, leases: new OutboxLeases(table, options.leaseMs), channel };
    }
    if (this.#outbox.channel !== undefined) OutboxAnnouncer.register(entity, dataSource);
    return this.#outbox;
  }

  /** A row that cannot be loaded is put off, so that it does not stand in the way of the others. */
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
      await putOff(row, table, retryDelayMs, error).catch(() => undefined); // the error to tell is the first
      throw error;
    }
    if (body !== null) return new OutboxDelivery(body, row, table, leases, retryDelayMs);
    await leases.letGo(row); // somebody deleted it
    return undefined;
  }
}

function checkArguments(entity: unknown, dataSource: unknown): void {
  const problems: string[] = [];
  if (entity === undefined || entity === null) {
    problems.push(
      'outboxSource(): the entity is undefined: look for an import that goes in a circle.',
    );
  }
  const { createQueryRunner } = (dataSource ?? {}) as Partial<DataSource>;
  if (typeof createQueryRunner !== 'function') {
    problems.push(
      'outboxSource(): the second argument must be a DataSource of TypeORM. In Nest, inject getDataSourceToken().',
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
      `outboxSource(${name}): the data source is of type '${type}', and an outbox needs 'postgres'.`,
    ]);
  }
  if (listen && (extra?.max ?? poolSize) === 1) {
    throw new InvalidOptionsError([
      `outboxSource(${name}): the pool of the data source holds one connection, which listening would take. Make poolSize larger, or write { listen: false }.`,
    ]);
  }
}

function notInitialised(name: string): string {
  return `outboxSource(${name}): the data source is not initialised, so nothing can be read. Await dataSource.initialize() before.`;
}
