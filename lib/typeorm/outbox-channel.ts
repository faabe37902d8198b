import { createHash } from 'node:crypto';
import type {
  DataSource,
  EntitySubscriberInterface,
  EntityTarget,
  InsertEvent,
  ObjectLiteral,
  QueryRunner,
} from 'typeorm';
import { getOrAdd } from '../util/values.js';

/** The maximum length of a channel name, in bytes (NAMEDATALEN - 1). */
const LONGEST_CHANNEL = 63;

/**
 * Returns the channel on which the sources of an outbox listen. Use the channel for rows that you don't insert through TypeORM's
 * entities. Run `SELECT pg_notify('<channel>', '')` in the transaction that inserts them, or in a trigger.
 *
 * @returns `outbox:<schema>.<table>`. A hash replaces `<schema>.<table>` if the channel would otherwise be longer than 63 bytes.
 * @throws Error if the data source isn't initialized, or doesn't know the entity.
 * @publicApi
 */
export function outboxChannel<T extends ObjectLiteral>(
  entity: EntityTarget<T>,
  dataSource: DataSource,
): string {
  const { schema, tableName } = dataSource.getMetadata(entity);
  const name = `${schema ?? dataSource.driver.schema ?? 'public'}.${tableName}`;
  const channel = `outbox:${name}`;
  return Buffer.byteLength(channel) <= LONGEST_CHANNEL
    ? channel
    : `outbox:${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}

/** Announces each inserted entity in the transaction that inserts it. PostgreSQL notifies the listeners on commit. */
export class OutboxAnnouncer implements EntitySubscriberInterface {
  readonly #announcing = new WeakMap<QueryRunner, Promise<unknown>>();

  private constructor(
    private readonly target: EntityTarget<ObjectLiteral>,
    private readonly channel: string,
  ) {}

  /**
   * Registers an announcer for the lifetime of the data source, because other processes may listen even if this one doesn't
   * read. Several sources of one outbox share one announcer.
   */
  static register(entity: EntityTarget<ObjectLiteral>, dataSource: DataSource): void {
    const channel = outboxChannel(entity, dataSource);
    const { subscribers } = dataSource;
    const isKnown = (other: object): boolean =>
      other instanceof OutboxAnnouncer && other.channel === channel;
    if (!subscribers.some(isKnown)) {
      subscribers.push(new OutboxAnnouncer(dataSource.getMetadata(entity).target, channel));
    }
  }

  listenTo(): never {
    return this.target as never; // a string for an EntitySchema without a class
  }

  /** Announces all rows of a statement with one notification, although TypeORM calls this method for each row. */
  afterInsert({ queryRunner }: InsertEvent<ObjectLiteral>): Promise<unknown> {
    return getOrAdd(this.#announcing, queryRunner, async () => {
      await Promise.resolve();
      this.#announcing.delete(queryRunner);
      return queryRunner.query(`SELECT pg_notify($1, '')`, [this.channel]);
    });
  }
}
