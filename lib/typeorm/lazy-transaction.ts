import { AsyncLocalStorage } from 'node:async_hooks';
import type { QueryRunner } from 'typeorm';

/** Marks the statements with which TypeORM itself begins the transaction. */
const beginning = new AsyncLocalStorage<QueryRunner>();

/** Where one failed statement dooms its transaction, and COMMIT then rolls back without an error. */
const DOOMING_DRIVERS = ['postgres', 'aurora-postgres', 'cockroachdb'];

/**
 * Begins a transaction before the first statement of a query runner. Transactions of TypeORM's own (each
 * `save()` makes one) become savepoints in it.
 *
 * Only `query`, `stream` and `startTransaction` send statements (TypeORM 0.3 and 1.1, all SQL drivers); the rest of a
 * query runner and its entity manager call these.
 */
export class LazyTransaction {
  readonly #isDoomable: boolean;
  #begun: Promise<void> | undefined;
  #doom: { error: unknown } | undefined;

  constructor(
    private readonly runner: QueryRunner,
    driver: string,
  ) {
    this.#isDoomable = DOOMING_DRIVERS.includes(driver);
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const stream = runner.stream.bind(runner);
    const startTransaction = runner.startTransaction.bind(runner);
    const begin = (): Promise<void> | undefined => {
      if (beginning.getStore() === runner) return undefined;
      return (this.#begun ??= beginning.run(runner, () => startTransaction()));
    };
    Object.assign(runner, {
      query: async (...args: unknown[]) => {
        await begin();
        return this.watch(String(args[0]), query(...args));
      },
      stream: async (...args: Parameters<QueryRunner['stream']>) => {
        await begin();
        return stream(...args);
      },
      startTransaction: async (...args: Parameters<QueryRunner['startTransaction']>) => {
        await begin();
        return startTransaction(...args);
      },
    });
  }

  /**
   * Does nothing when no statement was sent.
   *
   * @throws Error when a statement failed and its error was swallowed: PostgreSQL would answer COMMIT
   * with a rollback, and say nothing.
   */
  async commit(): Promise<void> {
    if (this.#begun === undefined) return;
    await this.#begun;
    if (this.#doom !== undefined) {
      throw new Error(
        'The transaction of the scope cannot be committed: one of its statements failed, and the handler went on. Let the error pass, or run the statement in entityManager.transaction().',
        { cause: this.#doom.error },
      );
    }
    while (this.runner.isTransactionActive) await this.runner.commitTransaction();
  }

  /** Does nothing when no transaction is open. */
  async rollback(): Promise<void> {
    await this.#begun?.catch(() => undefined); // whoever sent the first statement has that error
    while (this.runner.isTransactionActive && !this.runner.isReleased)
      await this.runner.rollbackTransaction();
  }

  private async watch(statement: string, sent: Promise<unknown>): Promise<unknown> {
    try {
      const result = await sent;
      if (/^ROLLBACK/i.test(statement)) this.#doom = undefined;
      return result;
    } catch (error) {
      if (this.#isDoomable) this.#doom ??= { error };
      throw error;
    }
  }
}
