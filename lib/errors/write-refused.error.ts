import { ScopedWorkerError } from './scoped-worker.error.js';

/**
 * A write to an SQLite file was refused, because the transaction that is writing to the file waits for the code that sent it. Nothing
 * was written.
 *
 * @publicApi
 */
export class WriteRefusedError extends ScopedWorkerError {
  readonly code = 'WRITE_REFUSED';

  constructor(
    /** The path of the database. */
    readonly file: string,
    /** The SQL statement, shortened. For `save()` and `remove()` it is the `BEGIN` of their transaction. */
    readonly statement: string,
    /** Who has the transaction open: `Reports.nightly (tick-1)`, `scope scope-1` or `the application`. */
    readonly holder: string,
  ) {
    super(
      `A write to ${file} would wait for itself, so it was refused: ${statement}. The transaction of ${holder} is writing to the file, and ends only after this write. SQLite allows one writer at a time. Write through the EntityManager of that transaction: inject it with @InjectScopedRepository() or @InjectScopedEntityManager(), or pass it to the service as an argument. Or write after the transaction has ended.`,
    );
  }
}
