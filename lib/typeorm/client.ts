import type { Readable } from 'node:stream';
import type { DataSource, QueryRunner } from 'typeorm';

/** The status that PostgreSQL reports for a connection: idle, in a transaction, or in a failed one. */
type TransactionStatus = 'I' | 'T' | 'E';

/** The members of a driver's connection that the library uses. */
export interface Client {
  /** Exists in `pg` 8.21 and later. With `pg-native` before 3.8, the method throws. */
  getTransactionStatus?(): TransactionStatus | null;
  query?(...args: unknown[]): unknown;
  /** Exists in better-sqlite3 only. */
  readonly inTransaction?: boolean;
  /** Exists in better-sqlite3 only. */
  readonly open?: boolean;
  /** In `mysql2`, closes the connection instead of returning it to the pool. */
  destroy?(): void;
}

/** Returns the transaction status of a connection; undefined if its driver can't report it. */
export function statusOf(client: Client | undefined): TransactionStatus | undefined {
  if (client?.inTransaction !== undefined) return client.inTransaction ? 'T' : 'I';
  try {
    return client?.getTransactionStatus?.() ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reports PostgreSQL's answer to a statement, because TypeORM doesn't reveal whether PostgreSQL answers COMMIT with ROLLBACK.
 *
 * @returns a function that stops the reports.
 */
export function answersOf(
  client: Client | undefined,
  statement: string,
  report: (answer: string | undefined) => void,
): () => void {
  if (client?.query === undefined) return () => undefined;
  const { query } = client;
  const isOwn = Object.hasOwn(client, 'query');
  client.query = (...args) => {
    const sent = query.apply(client, args);
    if (args[0] === statement)
      Promise.resolve(sent as Promise<{ command?: string } | undefined>).then(
        (result) => report(result?.command),
        () => undefined,
      );
    return sent;
  };
  return () => {
    if (isOwn) client.query = query;
    else delete client.query;
  };
}

/** Returns the data source of a query runner. TypeORM 1 has `dataSource`; 0.3 has `connection`. */
export function dataSourceOf(runner: QueryRunner): DataSource | undefined {
  const { dataSource, connection } = runner as unknown as Record<string, DataSource | undefined>;
  return dataSource ?? connection;
}

/** A stream from `pg-query-stream`. `pg` submits it once the connection is idle. */
interface Submittable extends Readable {
  submit?(connection: { sync(): void }): unknown;
}

/**
 * Keeps a stream from blocking its connection if the stream is destroyed before `pg` has submitted it. `pg-query-stream` would
 * still send the statement, but would neither read nor close the cursor, so the connection would never become idle.
 */
export function skipIfDestroyed(stream: Submittable): void {
  const { submit } = stream;
  if (submit === undefined) return;
  stream.submit = (connection) =>
    // PostgreSQL answers a Sync message with ReadyForQuery, even without a statement.
    stream.destroyed ? connection.sync() : submit.call(stream, connection);
}

/** A prepared statement from better-sqlite3. */
interface Prepared {
  readonly reader: boolean;
  run(...given: unknown[]): unknown;
}

/**
 * Reports that better-sqlite3 has executed a statement, even if a logger or a subscriber throws afterwards.
 *
 * @returns a function that stops the reports.
 */
export function executionsOf(
  runner: QueryRunner & { getStmt?(text: string): Promise<Prepared> },
  statement: string,
  report: () => void,
): () => void {
  const { getStmt } = runner;
  if (getStmt === undefined) return () => undefined;
  runner.getStmt = async (text) => {
    const prepared = await getStmt.call(runner, text);
    if (text !== statement) return prepared;
    const run = (...given: unknown[]): unknown => {
      const result = prepared.run(...given);
      report();
      return result;
    };
    return { reader: prepared.reader, run };
  };
  return () => delete runner.getStmt; // restores the class's method
}
