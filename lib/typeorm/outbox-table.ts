import type { DataSource, EntityTarget, ObjectLiteral, QueryRunner } from 'typeorm';
import { textOf } from '../errors/error-parts.js';
import type { OutboxColumns } from './outbox-columns.js';

/** A claimed row. `deliveries` identifies the claim, because the next claim increments it. */
export interface ClaimedRow {
  /** The primary key, as PostgreSQL writes it. */
  readonly id: string;
  readonly deliveries: number;
}

/**
 * Runs the statements on an outbox's table, each statement in its own transaction. A claim moves `availableAt` into the future, so
 * no connection is held while a message is processed. All times come from the database's clock.
 */
export class OutboxTable<T extends ObjectLiteral> {
  readonly #claim: string;

  constructor(
    private readonly dataSource: DataSource,
    private readonly entity: EntityTarget<T>,
    private readonly columns: OutboxColumns,
    /** The channel that is notified when a row is returned and any reader can take it; undefined without `listen`. */
    private readonly channel: string | undefined,
  ) {
    const { table, id, availableAt, deliveries } = columns;
    const isOpen = [columns.deadAt, columns.deliveredAt, columns.deletedAt].flatMap((column) =>
      column === undefined ? [] : ` AND ${column} IS NULL`,
    );
    // The CTE takes the lock once: a sub-select in WHERE may run for each row, and would then claim several rows.
    this.#claim = `
      WITH "next" AS MATERIALIZED (
        SELECT ${id} AS "id" FROM ${table}
        WHERE ${availableAt} <= ${NOW}${isOpen.join('')}
        ORDER BY ${availableAt}, ${id} LIMIT 1 FOR UPDATE SKIP LOCKED
      )
      UPDATE ${table} SET ${deliveries} = ${deliveries} + 1, ${availableAt} = ${later('$1')}
      WHERE ${id} = (SELECT "id" FROM "next")
      RETURNING ${id}::text AS "id", ${deliveries}::int AS "deliveries"`;
  }

  get keepsDeadLetters(): boolean {
    return this.columns.deadAt !== undefined;
  }

  get isReachable(): boolean {
    return this.dataSource.isInitialized;
  }

  /** Claims, for `leaseMs`, the row that has been due the longest. Returns undefined if no row is due. */
  async claim(leaseMs: number): Promise<ClaimedRow | undefined> {
    const { records } = await this.send(this.#claim, [leaseMs]);
    return records[0];
  }

  /** Loads the entity of a claimed row. Returns null if the row no longer exists. */
  async load(row: ClaimedRow): Promise<T | null> {
    const runner = this.dataSource.createQueryRunner('master'); // a replica might not have the row yet
    try {
      const { propertyPath } = this.dataSource.getMetadata(this.entity).primaryColumns[0]!;
      return await runner.manager
        .createQueryBuilder(this.entity, 'message')
        .setFindOptions({}) // joins eager relations, as find() does
        .where(`message.${propertyPath} = :id`, { id: row.id })
        .cache(false)
        .getOne();
    } finally {
      await runner.release();
    }
  }

  /** Renews leases. Skips locked rows: a handler that writes to its own row must not block the other renewals. */
  async renew(rows: readonly ClaimedRow[], leaseMs: number): Promise<void> {
    const { table, id, availableAt, deliveries } = this.columns;
    const held = rows.map((_, index) => `($${2 * index + 2}, $${2 * index + 3})`).join(', ');
    await this.send(
      `WITH "held" AS MATERIALIZED (
         SELECT ${id} AS "id" FROM ${table} WHERE (${id}, ${deliveries}) IN (${held})
         FOR UPDATE SKIP LOCKED
       )
       UPDATE ${table} SET ${availableAt} = ${later('$1')} WHERE ${id} IN (SELECT "id" FROM "held")`,
      [leaseMs, ...rows.flatMap((row) => [row.id, row.deliveries])],
    );
  }

  /** Deletes the row or marks it as delivered. Returns false if the row no longer belongs to this claim. */
  finish(row: ClaimedRow): Promise<boolean> {
    const { table, deliveredAt } = this.columns;
    return deliveredAt === undefined
      ? this.touch(row, `DELETE FROM ${table}`)
      : this.touch(row, `UPDATE ${table} SET ${deliveredAt} = ${NOW}`);
  }

  /** Makes the row available immediately. This delivery doesn't count. */
  giveBack(row: ClaimedRow): Promise<boolean> {
    const { table, availableAt, deliveries } = this.columns;
    const change = `UPDATE ${table} SET ${availableAt} = ${NOW}, ${deliveries} = ${deliveries} - 1`;
    return this.channel === undefined
      ? this.touch(row, change)
      : this.touch(row, change, [this.channel], `pg_notify($3, '')`);
  }

  /** Makes the row available after `delayMs`. */
  putOff(row: ClaimedRow, delayMs: number, error: unknown): Promise<boolean> {
    const { table, availableAt } = this.columns;
    return this.touchWithError(
      row,
      `UPDATE ${table} SET ${availableAt} = ${later('$3')}`,
      [delayMs],
      error,
    );
  }

  bury(row: ClaimedRow, error: unknown): Promise<boolean> {
    const { table, deadAt } = this.columns;
    return this.touchWithError(row, `UPDATE ${table} SET ${deadAt!} = ${NOW}`, [], error);
  }

  private touchWithError(
    row: ClaimedRow,
    change: string,
    values: readonly unknown[],
    error: unknown,
  ): Promise<boolean> {
    const { lastError, errorLength } = this.columns;
    if (lastError === undefined) return this.touch(row, change, values);
    const text = textOf(error).slice(0, errorLength).replaceAll('\0', ''); // PostgreSQL's text type cannot contain \0
    return this.touch(row, `${change}, ${lastError} = $${values.length + 3}`, [...values, text]);
  }

  private async touch(
    row: ClaimedRow,
    change: string,
    values: readonly unknown[] = [],
    returning = '1',
  ): Promise<boolean> {
    const { id, deliveries } = this.columns;
    const { records } = await this.send(
      `${change} WHERE ${id} = $1 AND ${deliveries} = $2 RETURNING ${returning}`,
      [row.id, row.deliveries, ...values],
    );
    return records.length > 0;
  }

  private async send(sql: string, values: unknown[]): Promise<Sent> {
    const runner: QueryRunner = this.dataSource.createQueryRunner('master');
    try {
      return (await runner.query(sql, values, true)) as Sent;
    } finally {
      await runner.release();
    }
  }
}

interface Sent {
  readonly records: ClaimedRow[];
}

/** `clock_timestamp()` changes within a statement, which rules out an index; `now()` is the time when the transaction began. */
const NOW = 'statement_timestamp()';

function later(ms: string): string {
  return `${NOW} + ${ms}::float8 * interval '1 millisecond'`;
}
