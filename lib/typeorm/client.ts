/** The status that PostgreSQL reports for a connection: idle, in a transaction, or in a failed one. */
type TransactionStatus = 'I' | 'T' | 'E';

/** The connection of a driver. */
export interface Client {
  /** `pg` */
  getTransactionStatus?(): TransactionStatus | null;
  /** better-sqlite3 */
  readonly inTransaction?: boolean;
  /** `mysql2`: closes the connection instead of returning it to the pool. */
  destroy?(): void;
}
