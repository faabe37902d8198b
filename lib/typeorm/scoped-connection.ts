import type { EntityManager, QueryRunner } from 'typeorm';
import { ScopeClosedError } from '../errors/errors.js';
import type { ScopeHooks } from '../scope/provider-scope.interface.js';
import { closedError, COMMITS_LAST, isInsideEnd, scopeOfBuild } from '../scope/scope-ports.js';
import { mustShow } from '../scope/work-context.js';
import { skipIfDestroyed, statusOf, type Client } from './client.js';
import { captureFrames, leadTo, withAwaiting, linesOf } from './frames.js';
import { keepRepositories } from './kept-repositories.js';
import { BEGIN, LazyTransaction } from './lazy-transaction.js';
import { withoutComments } from './sqlite-statements.js';
import { UnderWay } from './under-way.js';

/** The members of a query runner that TypeORM doesn't declare. */
interface OpenRunner {
  /** Releases a broken connection so that the pool discards it. */
  releasePostgresConnection?(error: unknown): Promise<void>;
  /** Set while a query runner of the `pg` driver has a connection. */
  readonly releaseCallback?: unknown;
}

/**
 * Manages the query runner of one scope: its connection, and its transaction if it has one. Nest may wrap this object in a proxy,
 * on which `#private` fields would throw.
 */
export class ScopedConnection implements ScopeHooks, AsyncDisposable {
  readonly [COMMITS_LAST] = true;
  private readonly runner: QueryRunner;
  private readonly rollBack: () => Promise<unknown>;
  private readonly releaseRunner: () => Promise<void>;
  private readonly transaction: LazyTransaction | undefined;
  private readonly underWay = new UnderWay();
  private connecting: Promise<unknown> | undefined;
  private released: Promise<void> | undefined;
  /** The scope in which this object is built. */
  private readonly scope = scopeOfBuild();
  /** True while a transaction that a statement began is open. Drivers such as `mysql2` don't report this. */
  private isBegun = false;
  private isInScope = false;
  private isOver = false;
  /** True once the connection is being released: from then on, no connection is opened. */
  private isLeaving = false;
  private hasFailed = false;
  private wasLeftOpen = false;
  /** Settles when the streams that the work left open no longer block the statements of hooks and disposers. */
  private cutting: Promise<void> | undefined;

  constructor(
    runner: QueryRunner,
    private readonly driver: string,
    transactional: boolean,
    /** Called before anything else can use the connection. */
    private readonly prepare?: (runner: QueryRunner) => Promise<void>,
  ) {
    this.runner = runner;
    const connect = runner.connect.bind(runner);
    runner.connect = () => {
      const refusal = this.refusalToConnect();
      return refusal === undefined ? (this.connecting = connect()) : Promise.reject(refusal);
    };
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    this.rollBack = () => query('ROLLBACK');
    const send = (...args: unknown[]): Promise<unknown> => {
      const sent = query(...args);
      this.note(withoutComments(String(args[0])), sent);
      return sent;
    };
    const stream = runner.stream.bind(runner);
    const open = async (...args: Parameters<typeof stream>) => {
      const opened = await stream(...args);
      skipIfDestroyed(opened);
      this.underWay.add(opened);
      return opened;
    };
    Object.assign(runner, { query: send, stream: open });
    this.releaseRunner = runner.release.bind(runner);
    runner.release = () => this.release();
    const tooLate = (): ScopeClosedError => {
      const error = this.closed();
      mustShow(error);
      return error;
    };
    const isOfEnd = (): boolean => isInsideEnd(this.scope);
    this.transaction = transactional
      ? new LazyTransaction(runner, driver, this.underWay, tooLate, isOfEnd)
      : undefined;
    // All other methods of a query runner call one of the three below. The manager's methods are guarded too, because they first
    // check whether the query runner is released.
    const track = async (call: () => Promise<unknown>): Promise<unknown> => {
      if (isOfEnd()) await (this.cutting ??= this.underWay.settled());
      return this.underWay.track(call);
    };
    this.guard(runner, ['query', 'stream', 'startTransaction'], track);
    this.guard(runner.manager, ['query', 'transaction'], (call) => call());
    keepRepositories(runner.manager);
  }

  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** Marks the connection as usable: only a scope calls this method, and only a scope releases the connection. */
  onScopeInit(): Promise<void> | undefined {
    this.isInScope = true;
    return this.prepare?.(this.runner);
  }

  async onScopeCommit(): Promise<'committed' | undefined> {
    this.hasFailed = true; // until the commit has succeeded
    const hasCommitted = await this.transaction?.commit(await this.client());
    this.hasFailed = false;
    if (hasCommitted !== true) return undefined;
    this.isBegun = false; // even if a subscriber threw after the COMMIT
    return 'committed';
  }

  async onScopeRollback(): Promise<void> {
    this.hasFailed = true;
    await this.transaction?.rollback();
  }

  /**
   * Releases the connection.
   *
   * @throws Error if successful work left a transaction or a stream open, because its changes or unread rows are lost. Also throws
   * the error of a subscriber that was called after the COMMIT: that error must not cause the committed work to be undone or
   * repeated.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await this.giveBack();
    if (this.wasLeftOpen && !this.hasFailed)
      throw new Error(this.transaction === undefined ? LEFT_OPEN : UNAWAITED);
    if (this.underWay.hasCut && !this.hasFailed) throw new Error(CUT);
    if (this.transaction?.afterCommit !== undefined) throw this.transaction.afterCommit.error;
  }

  /**
   * Releases the connection once nothing uses it. The scope waits for at most `disposeTimeoutMs`. After that, the scope continues,
   * and `dataSource.destroy()` discards the connection.
   */
  private async giveBack(): Promise<void> {
    this.isLeaving = true;
    await this.underWay.settled();
    const client = await this.client();
    try {
      if (this.runner.isReleased) return;
      this.wasLeftOpen = this.isInTransaction(client);
      if (this.underWay.hasCut && (await this.discard(client, new Error(CUT)))) return;
      await this.endTransaction(client);
    } finally {
      await this.releaseOnce();
    }
  }

  /**
   * Releases the connection when the work, or `dataSource.destroy()`, releases the query runner. Doesn't wait for statements,
   * because `destroy()` must not. If a transaction is open, the pool discards the connection.
   */
  private async release(): Promise<void> {
    this.isLeaving = true;
    const client = await this.client();
    try {
      if (this.runner.isReleased) return;
      const isOpen = this.isInTransaction(client) || this.runner.isTransactionActive;
      this.wasLeftOpen ||= isOpen;
      // If a disposal waits for statements under way, discarding the connection ends its wait. Without such a wait or an open
      // transaction, the pool can reuse the connection.
      const isAwaited = this.isOver && !this.underWay.isNone;
      if ((isOpen || isAwaited) && (await this.discard(client, new Error(LEFT_OPEN)))) return;
      await this.endTransaction(client);
    } finally {
      await this.releaseOnce();
    }
  }

  /**
   * Rolls back an open transaction before the connection is released, because the next scope would otherwise receive both. A
   * transaction can still be open if its rollback failed or user code began it.
   */
  private async endTransaction(client: Client | undefined): Promise<void> {
    if (!this.isInTransaction(client)) return;
    try {
      // TypeORM may have lost track of concurrent savepoints; ROLLBACK ends the transaction together with all of them.
      await this.rollBack();
      Object.assign(this.runner, { isTransactionActive: false });
    } catch (error) {
      await this.discard(client, error);
      throw error;
    }
  }

  private releaseOnce(): Promise<void> {
    return (this.released ??= this.releaseRunner());
  }

  /**
   * Closes the connection instead of returning it to the pool.
   *
   * @returns false if the library can't do so for this driver.
   */
  private async discard(client: Client | undefined, error: unknown): Promise<boolean> {
    const { releasePostgresConnection, releaseCallback } = this.runner as OpenRunner;
    const isPostgres = releasePostgresConnection !== undefined && releaseCallback !== undefined;
    const isMysql = MYSQL_DRIVERS.includes(this.driver) && client?.destroy !== undefined;
    if (!isPostgres && !isMysql) return false;
    Object.assign(this.runner, { isTransactionActive: false });
    if (isPostgres) await releasePostgresConnection.call(this.runner, error);
    else client!.destroy!();
    return true;
  }

  private note(statement: string, sent: Promise<unknown>): void {
    if (!BEGIN.test(statement) && !END.test(statement)) return;
    const noted = (): void => void (this.isBegun = BEGIN.test(statement));
    sent.then(noted, () => undefined);
  }

  private async client(): Promise<Client | undefined> {
    // The statement that needed the connection rejects with the error.
    return (await this.connecting?.catch(() => undefined)) as Client | undefined;
  }

  /** Rejects calls outside a scope, or after the scope has closed, with an error whose stack leads to the caller. */
  private guard<T extends object>(
    target: T,
    methods: readonly (keyof T)[],
    run: (call: () => Promise<unknown>) => Promise<unknown>,
  ): void {
    const isRunner = (target as object) === this.runner;
    for (const name of methods) {
      const method = (target[name] as (...args: unknown[]) => Promise<unknown>).bind(target);
      const guarded = async (...args: unknown[]): Promise<unknown> => {
        const refusal = this.refusal();
        if (refusal !== undefined) {
          mustShow(refusal);
          throw leadTo(refusal, linesOf(captureFrames(guarded)));
        }
        try {
          return await run(() => method(...args));
        } catch (error) {
          // The scope closed while the statement waited for the connection.
          const refused = isReleasedError(error) ? this.refusal() : undefined;
          throw refused ?? (isRunner ? withAwaiting(error) : error);
        }
      };
      Object.assign(target, { [name]: guarded });
    }
  }

  private refusal(): ScopeClosedError | undefined {
    if (!this.isInScope) return outside();
    return this.isOver ? this.closed() : undefined;
  }

  /** Returns the error for code that would open a connection that nothing releases. */
  private refusalToConnect(): Error | undefined {
    if (!this.isInScope) return outside();
    const isTooLate = this.isLeaving && this.connecting === undefined;
    if (!isTooLate && this.released === undefined) return undefined;
    return this.isOver ? this.closed() : new Error(RELEASED);
  }

  private closed(): ScopeClosedError {
    return this.scope === undefined
      ? outside()
      : closedError(this.scope, 'use a scoped EntityManager or Repository');
  }

  private isInTransaction(client: Client | undefined): boolean {
    const status = statusOf(client);
    return status === undefined ? this.isBegun || this.runner.isTransactionActive : status !== 'I';
  }
}

const MYSQL_DRIVERS = ['mysql', 'mariadb'];

const END = /^(COMMIT|ROLLBACK(?!.*\bTO\b)|END|ABORT)\b/i;

function isReleasedError(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'QueryRunnerAlreadyReleasedError';
}

function outside(): ScopeClosedError {
  return new ScopeClosedError(undefined, OUTSIDE);
}

const OUTSIDE =
  'A scoped EntityManager or Repository was used outside a scope, for example in an HTTP request. Its statement was refused, because no scope would release the connection. Inject the EntityManager or Repository from @nestjs/typeorm instead, or run the code with ProviderScopeFactory.run(). Inside a tick, pass the scoped one as an argument, or resolve it with scope.resolve() or moduleRef.resolve(token, scope.contextId).';

const UNAWAITED =
  'A statement was still running when the scope ended, so the library rolled back its transaction. Await all work in the handler.';

const LEFT_OPEN =
  'A transaction was still open on the connection of the scope, so the library rolled it back. Either the handler began a transaction and did not end it, or it did not await a save() or a manager.transaction(). Await each of them. Instead of beginning a transaction by hand, set { transaction: true }.';

const CUT =
  'A stream was still open when the scope ended, so the library destroyed it. Read every stream to its end, or destroy it.';

const RELEASED =
  'The query runner of the scope has been released, so it cannot open a connection. The library releases it when the scope ends: do not call release().';
