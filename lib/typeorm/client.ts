/** The status that PostgreSQL reports for a connection: idle, in a transaction, or in a failed one. */
type TransactionStatus = 'I' | 'T' | 'E';

/** The connection of a driver. */
export interface Client {
  /** `pg` */
  getTransactionStatus?(): TransactionStatus | null;
  query?(...args: unknown[]): unknown;
  /** better-sqlite3 */
  readonly inTransaction?: boolean;
  /** `mysql2`: closes the connection instead of returning it to the pool. */
  destroy?(): void;
}

/**
 * Reports PostgreSQL's answer to a statement, because TypeORM doesn't expose that PostgreSQL answered COMMIT with ROLLBACK.
 *
 * @returns a function that stops the reports.
 */
export function answersOf(
  client: Client | undefined,
  statement: string,
  report: (answer: string | undefined) => void,
): () => void {
  if (client?.getTransactionStatus === undefined || client.query === undefined)
    return () => undefined;
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
