import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { ScopeHooks } from '../scope/provider-scope.js';
import { LazyTransaction } from './lazy-transaction.js';

/** One query runner for one scope: its connection, and its transaction when it has one. */
export class ScopedConnection implements ScopeHooks, AsyncDisposable {
  readonly #runner: QueryRunner;
  readonly #transaction: LazyTransaction | undefined;
  #connecting: Promise<unknown> | undefined;

  constructor(dataSource: DataSource, transactional: boolean) {
    const runner = dataSource.createQueryRunner();
    const connect = runner.connect.bind(runner);
    runner.connect = () => (this.#connecting = connect());
    this.#runner = runner;
    this.#transaction = transactional
      ? new LazyTransaction(runner, dataSource.options.type)
      : undefined;
  }

  get manager(): EntityManager {
    return this.#runner.manager;
  }

  async onScopeCommit(): Promise<void> {
    await this.#transaction?.commit();
  }

  async onScopeRollback(): Promise<void> {
    await this.#transaction?.rollback();
  }

  /**
   * Gives the connection back. TypeORM forgets a connection that arrives after `release()`, so one that is
   * still being taken is waited for. A transaction that is still open (its commit failed, or user code began it) is
   * rolled back first: the pool would hand it to the next one.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connecting?.catch(() => undefined); // whoever sent the statement has that error
    try {
      while (this.#runner.isTransactionActive && !this.#runner.isReleased)
        await this.#runner.rollbackTransaction();
    } finally {
      await this.#runner.release();
    }
  }
}
