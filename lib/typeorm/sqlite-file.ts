import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { AppConnection } from './sqlite-app-connection.js';
import { SqliteAppRunner } from './sqlite-app-runner.js';
import { DriverCopies, type SqliteDriver } from './sqlite-driver.js';
import { ConnectionPool } from './sqlite-pool.js';
import { forgetTransaction, type DeepRunner, type SqliteRunner } from './sqlite-runner.js';
import { SqliteScopeRunner } from './sqlite-scope-runner.js';
import { SqliteStart, type AppTransaction } from './sqlite-start.js';
import { NoWalError, WalSwitch } from './sqlite-wal.js';
import { WriteLock } from './sqlite-write-lock.js';

type TransactionWork = (manager: EntityManager) => Promise<unknown>;

/**
 * Manages several connections to the file of one data source, although TypeORM's SQLite drivers open only one. Each scope has its
 * own connection. All writers of the process, including the application's query runners, write one at a time.
 */
export class SqliteFile {
  readonly #copies: DriverCopies;
  readonly #wal: WalSwitch;
  readonly #pool: ConnectionPool;
  /** Undefined for a database that is opened read-only: no code waits there, and the application works unchanged. */
  readonly #app: AppConnection<SqliteAppRunner> | undefined;
  readonly #lock: WriteLock | undefined;
  #isPrepared = false;
  /** Settles when the switch to WAL has finished, if initializing the data source began one. */
  #switching: Promise<unknown> | undefined;

  private constructor(
    private readonly dataSource: DataSource,
    private readonly driver: SqliteDriver,
    path: string,
  ) {
    this.#copies = new DriverCopies(driver, dataSource);
    this.#wal = new WalSwitch(this.#copies);
    this.#lock = driver.options.readonly === true ? undefined : WriteLock.of(path);
    this.#pool = new ConnectionPool({
      connect: async () => {
        await this.#switching;
        this.#copies.checkConnected();
        const isReady =
          this.#isPrepared || (this.transaction !== 'open' && (await this.switchLater()));
        if (!isReady) throw new Error(lockedText(this.fileName));
        return this.#copies.connect();
      },
      disconnect: (connection) => this.#copies.disconnect(connection),
      isWaitedFor: () => this.#lock?.isHeldByCaller === true,
    });
    if (this.#lock !== undefined)
      this.#app = new AppConnection(dataSource, this.#lock, this.#copies);
  }

  /**
   * Patches the data source once, for its whole lifetime, at a moment when it has no transaction open. An open transaction
   * wouldn't hold the turn, and SQLite can't switch to WAL within a transaction. A data source that isn't initialized yet is
   * prepared as soon as it is initialized.
   *
   * @throws {NoWalError} if the file can't have several connections.
   * @throws {InvalidOptionsError} if a transaction doesn't end within `LONGEST_TURN_MS`. In both cases, the data source works
   * unchanged.
   */
  static async open(
    dataSource: DataSource,
    driver: SqliteDriver,
    path: string,
  ): Promise<SqliteFile> {
    const file = new SqliteFile(dataSource, driver, path);
    const isInUse = file.#app !== undefined && dataSource.isInitialized;
    if (file.#app !== undefined) enterApplicationTransactions(dataSource);
    await new SqliteStart(
      {
        file: file.fileName,
        transaction: () => file.transaction,
        prepare: () => file.switchToWal(),
        finish: () => file.takeOver(),
      },
      isInUse ? (driver.queryRunner ?? driver.createQueryRunner('master')) : undefined,
    ).run();
    return file;
  }

  private get transaction(): AppTransaction {
    if (this.#lock === undefined) return undefined;
    const { databaseConnection, queryRunner } = this.driver as Partial<SqliteDriver>;
    const { isTransactionActive = false, transactionDepth } = (queryRunner ??
      {}) as Partial<DeepRunner>;
    const isBegun = isTransactionActive && transactionDepth !== 0;
    if (databaseConnection?.inTransaction ?? isBegun) return 'open';
    return isTransactionActive ? 'unsettled' : undefined;
  }

  private get fileName(): string {
    return String(this.driver.options.database);
  }

  /** Creates a query runner for one scope. */
  createScopeRunner(isTransactional: boolean): QueryRunner {
    const scoped = new SqliteScopeRunner(
      this.#copies.runner('master'),
      this.#lock,
      this.#pool,
      isTransactional,
      this.dataSource,
    );
    const manager = this.dataSource.createEntityManager(scoped.runner);
    enterTransactions(manager, () => scoped);
    return Object.assign(scoped.runner, { manager });
  }

  /** Lets writes wait for ticks, even if an earlier application with this data source has abandoned some of its ticks. */
  onStart(): void {
    this.#lock?.admit(this.driver);
  }

  /** Ends the waits for ticks that the shutdown has abandoned. */
  afterDrain(): void {
    this.#lock?.abandon(this.driver);
  }

  /**
   * Switches the file to WAL; returns false if this must be tried again. If the data source isn't initialized yet, the switch
   * happens later.
   */
  private async switchToWal(): Promise<boolean> {
    if (this.#isPrepared || this.#lock === undefined || !this.dataSource.isInitialized) return true;
    return (this.#isPrepared = await this.#wal.prepare());
  }

  /** Switches the file to WAL if the data source was initialized after start-up. */
  private async switchLater(): Promise<boolean> {
    try {
      return await this.switchToWal();
    } catch (cause) {
      if (!(cause instanceof NoWalError)) throw cause;
      throw new Error(noWalText(this.fileName, cause.message), { cause });
    }
  }

  private takeOver(): void {
    const queryRunner = this.driver.queryRunner as DeepRunner;
    // TypeORM may still count a transaction that SQLite itself has ended, or whose COMMIT has failed.
    if (this.transaction === 'unsettled' && queryRunner.transactionDepth > 0)
      forgetTransaction(queryRunner);
    this.patch();
  }

  private patch(): void {
    const { driver } = this;
    const connect = driver.connect.bind(driver);
    const afterConnect = driver.afterConnect.bind(driver);
    const disconnect = driver.disconnect.bind(driver);
    Object.assign(driver, {
      connect: async () => {
        await connect();
        this.#copies.isClosing = false;
      },
      afterConnect: async () => {
        await afterConnect();
        // This runs now, because a transaction may be open later. If the switch fails, the first scope tries again and reports the
        // error.
        this.#switching = this.switchToWal().catch(() => undefined);
        await this.#switching;
      },
      disconnect: async () => {
        this.#copies.isClosing = true;
        this.#isPrepared = false; // after the next initialization, the file may be a different one
        // This call runs first: otherwise, a transaction that ends below would pass the turn to one of the waiting writers.
        this.#lock?.refuseWaiting(driver);
        try {
          await Promise.all([this.#pool.close(), this.#app?.close()]);
        } finally {
          // The turn ends last, because an open transaction ends only when its connection is closed.
          await disconnect().finally(() => {
            this.#app?.forget();
            this.#lock?.leave(driver);
          });
        }
      },
    });
    if (this.#app !== undefined) this.patchApplication(this.#app);
  }

  private patchApplication(app: AppConnection<SqliteAppRunner>): void {
    const adopted = this.#copies.adoptRunner();
    if (adopted !== undefined) new SqliteAppRunner(adopted, app, false);
    const query = this.dataSource.query.bind(this.dataSource) as DataSource['query'];
    let isForOneStatement = false;
    Object.assign(this.dataSource, {
      query: (...args: Parameters<DataSource['query']>) => {
        isForOneStatement = args[2] === undefined; // without a query runner, TypeORM creates one at once
        try {
          return query(...args);
        } finally {
          isForOneStatement = false;
        }
      },
    });
    Object.assign(this.driver, {
      createQueryRunner: (mode: 'master' | 'slave') => {
        const isOfQuery = isForOneStatement;
        isForOneStatement = false; // code that the query runs, such as a subscriber, may create more query runners
        const around = SqliteAppRunner.around(app);
        if (around !== undefined) return around.handOutInside();
        const created = new SqliteAppRunner(this.#copies.runner(mode), app);
        created.isForOneStatement = isOfQuery;
        return created.handOut();
      },
    });
  }
}

function noWalText(file: string, because: string): string {
  return `The data source of ${file} cannot use WAL, which several connections require (${because}), so this scope cannot open a connection.`;
}

function lockedText(file: string): string {
  return `A transaction is open on ${file}, so the library cannot switch the file to WAL yet, and this scope cannot open a connection. The next scope tries again.`;
}

const entered = new WeakSet<EntityManager>();

/**
 * Patches the class of entity managers, because some may already exist: the constructor of a repository class calls
 * `dataSource.createEntityManager()`. Entity managers of other data sources aren't affected.
 */
function enterApplicationTransactions({ manager }: DataSource): void {
  const type = Object.getPrototypeOf(manager) as EntityManager;
  if (entered.has(type)) return;
  entered.add(type);
  enterTransactions(type, ({ queryRunner }) =>
    queryRunner === undefined ? undefined : SqliteAppRunner.of(queryRunner),
  );
}

/** Makes the callback of `manager.transaction()` run within the query runner of its transaction. */
function enterTransactions(
  manager: EntityManager,
  runnerOf: (inner: EntityManager) => SqliteRunner | undefined,
): void {
  const transaction = manager.transaction as (...args: unknown[]) => Promise<unknown>;
  const entering =
    (work: TransactionWork): TransactionWork =>
    (inner) => {
      const runner = runnerOf(inner);
      return runner === undefined ? work(inner) : runner.transact(() => work(inner));
    };
  Object.assign(manager, {
    transaction(this: EntityManager, ...args: unknown[]) {
      const given = args.map((arg) =>
        typeof arg === 'function' ? entering(arg as TransactionWork) : arg,
      );
      const begin = (): Promise<unknown> => transaction.apply(this, given);
      const shared = this.queryRunner && SqliteAppRunner.of(this.queryRunner);
      return shared === undefined ? begin() : shared.keepFor(begin);
    },
  });
}
