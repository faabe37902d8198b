import { AsyncLocalStorage } from 'node:async_hooks';
import type { QueryRunner } from 'typeorm';

/** Marks the statements with which TypeORM itself begins the transaction. */
const beginning = new AsyncLocalStorage<QueryRunner>();

/** Where one failed statement dooms its transaction, and COMMIT then rolls back without an error. */
const DOOMING_DRIVERS = ['postgres', 'aurora-postgres', 'cockroachdb'];

/** The end of a whole transaction, not of a savepoint. */
const END = /^\s*(COMMIT|ROLLBACK|END|ABORT)\b(?!\s+(TRANSACTION\s+|WORK\s+)?TO\b)/i;
const TO_SAVEPOINT = /^\s*ROLLBACK\b.*\bTO\b/i;

/**
 * Begins a transaction before the first statement of a query runner. Transactions of TypeORM's own (each
 * `save()` makes one) become savepoints in it. Nobody but the scope may end it.
 *
 * Only `query`, `stream` and `startTransaction` send statements (TypeORM 0.3 and 1.1, all SQL drivers); the rest of a
 * query runner and its entity manager call these.
 */
export class LazyTransaction {
  readonly #isDoomable: boolean;
  #begun: Promise<void> | undefined;
  #isEnding = false;
  #inFlight = 0;
  #doom: { readonly error: unknown; readonly isAlone: boolean } | undefined;
  #endedByWork: string | undefined;

  constructor(
    private readonly runner: QueryRunner,
    driver: string,
  ) {
    this.#isDoomable = DOOMING_DRIVERS.includes(driver);
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    const stream = runner.stream.bind(runner);
    const startTransaction = runner.startTransaction.bind(runner);
    const begin = async (): Promise<void> => {
      if (this.#isEnding || beginning.getStore() === runner) return;
      if (this.#endedByWork !== undefined) throw new Error(endedText(this.#endedByWork));
      await (this.#begun ??= beginning.run(runner, () => startTransaction()));
    };
    Object.assign(runner, {
      query: async (...args: unknown[]) => {
        await begin();
        return this.watch(String(args[0]), () => query(...args));
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
   * @throws Error when the work ended the transaction itself, or swallowed the error of a statement: PostgreSQL
   * would answer COMMIT with a rollback, and say nothing.
   */
  async commit(): Promise<void> {
    if (this.#begun === undefined) return;
    await this.#begun;
    if (this.#endedByWork !== undefined) throw new Error(endedText(this.#endedByWork));
    if (this.#doom !== undefined) throw new Error(DOOMED, { cause: this.#doom.error });
    this.#isEnding = true;
    while (this.runner.isTransactionActive) await this.runner.commitTransaction();
  }

  /** Does nothing when no transaction is open. */
  async rollback(): Promise<void> {
    await this.#begun?.catch(() => undefined); // whoever sent the first statement has that error
    this.#isEnding = true;
    while (this.runner.isTransactionActive && !this.runner.isReleased) {
      await this.runner.rollbackTransaction();
    }
  }

  private async watch(statement: string, send: () => Promise<unknown>): Promise<unknown> {
    if (!this.#isEnding && END.test(statement)) this.#endedByWork = statement;
    this.#inFlight += 1;
    try {
      const result = await send();
      // With others under way, the savepoint may have taken back what they were told is done.
      if (TO_SAVEPOINT.test(statement) && this.#doom?.isAlone === true) this.#doom = undefined;
      return result;
    } catch (error) {
      if (this.#isDoomable) this.#doom ??= { error, isAlone: this.#inFlight === 1 };
      throw error;
    } finally {
      this.#inFlight -= 1;
    }
  }
}

const DOOMED =
  'The transaction of the scope cannot be committed: one of its statements failed, and the handler went on. Let the error pass, or run the statement in entityManager.transaction().';

function endedText(statement: string): string {
  return `The transaction of the scope was ended by the handler (${statement.trim()}), and belongs to the scope. Throw to roll it back, or leave out { transaction: true }.`;
}
