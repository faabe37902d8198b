import type { EntityManager, ObjectLiteral, QueryRunner, Repository } from 'typeorm';
import { ScopeClosedError } from '../errors/errors.js';
import type { ScopeHooks } from '../scope/provider-scope.interface.js';
import { closedError, scopeAround, type ScopeNotice } from '../scope/scope-ports.js';
import { contexts } from '../scope/work-context.js';
import { captureFrames, leadTo, linesOf } from './frames.js';
import { withoutComments } from './sqlite-statements.js';
import { LazyTransaction, type TransactionStatus } from './lazy-transaction.js';

/** Session state that some connections expose. */
interface Client {
  /** `pg` */
  getTransactionStatus?(): TransactionStatus | null;
  /** better-sqlite3 */
  readonly inTransaction?: boolean;
}

/** TypeORM's method that releases a broken connection so that the pool discards it. */
interface OpenRunner {
  releasePostgresConnection?(error: unknown): Promise<void>;
  /** Set while a runner of the driver `pg` has a connection. */
  readonly releaseCallback?: unknown;
}

/**
 * Manages the query runner of one scope: its connection, and its transaction if it has one. Nest may wrap it in a proxy, on
 * which `#private` fields would throw.
 */
export class ScopedConnection implements ScopeHooks, AsyncDisposable {
  private readonly runner: QueryRunner;
  private readonly rollBack: () => Promise<unknown>;
  private readonly releaseRunner: () => Promise<void>;
  private readonly transaction: LazyTransaction | undefined;
  private connecting: Promise<unknown> | undefined;
  /** The scope in which it is built. */
  private readonly scope = scopeAround()?.notice;
  /** The last statement that begins or ends a transaction, until it has finished; never rejects. */
  private bounding: Promise<unknown> | undefined;
  private isInScope = false;
  private isOver = false;
  private hasFailed = false;
  private wasLeftOpen = false;

  constructor(runner: QueryRunner, driver: string, transactional: boolean) {
    const connect = runner.connect.bind(runner);
    runner.connect = () =>
      this.isInScope ? (this.connecting = connect()) : Promise.reject(outside());
    this.runner = runner;
    const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
    this.rollBack = () => query('ROLLBACK');
    const send = (...args: unknown[]): Promise<unknown> => {
      const sent = query(...args);
      if (BOUNDARY.test(withoutComments(String(args[0])))) this.bound(sent);
      return sent;
    };
    Object.assign(runner, { query: send });
    this.releaseRunner = runner.release.bind(runner);
    runner.release = () => this.release();
    const tooLate = (): ScopeClosedError => this.closed();
    this.transaction = transactional
      ? new LazyTransaction(runner, driver, tooLate, () => this.isOfEnd())
      : undefined;
    // All other methods call one of these. Those of the manager check the query runner first.
    this.guard(runner, ['query', 'stream', 'startTransaction']);
    this.guard(runner.manager, ['query', 'transaction']);
    keepRepositories(runner.manager);
  }

  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** Marks the connection as usable: only a scope calls this, and only a scope releases the connection. */
  onScopeInit(): void {
    this.isInScope = true;
  }

  async onScopeCommit(): Promise<'committed' | undefined> {
    this.hasFailed = true; // until the commit has succeeded
    const client = await this.client();
    const hasCommitted = await this.transaction?.commit(() => client?.getTransactionStatus?.());
    this.hasFailed = false;
    return hasCommitted === true ? 'committed' : undefined;
  }

  async onScopeRollback(): Promise<void> {
    this.hasFailed = true;
    await this.transaction?.rollback();
  }

  /**
   * @throws Error if successful work left a transaction open, because its changes are lost; the error of a subscriber that was
   * called after the COMMIT, because it must not undo or repeat the committed work.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await this.release();
    if (this.wasLeftOpen && !this.hasFailed)
      throw new Error(this.transaction === undefined ? LEFT_OPEN : UNAWAITED);
    if (this.transaction?.afterCommit !== undefined) throw this.transaction.afterCommit.error;
  }

  /**
   * Releases the connection; work may do so too. It waits for a connection that is still being opened, because TypeORM forgets
   * one that arrives after `release()`. A transaction may still be open, because its rollback failed or user code began it. It is
   * rolled back first: the next scope would receive it with the connection. If work releases a connection of PostgreSQL, the
   * pool discards it instead.
   */
  private async release(): Promise<void> {
    const isInTransaction = await this.isInTransaction();
    if (this.runner.isReleased || !isInTransaction) return this.releaseRunner();
    this.wasLeftOpen = true;
    const { releasePostgresConnection: discard, releaseCallback } = this.runner as OpenRunner;
    // A statement under way would delay the rollback, and dataSource.destroy() with it.
    if (!this.isOver && discard !== undefined && releaseCallback !== undefined) {
      Object.assign(this.runner, { isTransactionActive: false });
      return discard.call(this.runner, new Error(LEFT_OPEN));
    }
    try {
      // Concurrent savepoints may have lost their names; this ends the transaction with all of them.
      await this.rollBack();
      Object.assign(this.runner, { isTransactionActive: false });
    } catch (error) {
      await (this.runner as OpenRunner).releasePostgresConnection?.(error);
      throw error;
    } finally {
      await this.releaseRunner();
    }
  }

  /** Notes a statement that begins or ends a transaction. */
  private bound(sent: Promise<unknown>): void {
    const ended = (): void => {
      if (this.bounding === bounding) this.bounding = undefined;
    };
    const bounding = sent.then(ended, ended);
    this.bounding = bounding;
  }

  private async client(): Promise<Client | undefined> {
    // The sender of the statement receives the error.
    return (await this.connecting?.catch(() => undefined)) as Client | undefined;
  }

  /** Rejects calls outside the scope and after it, with an error that leads to the caller. */
  private guard<T extends object>(target: T, methods: readonly (keyof T)[]): void {
    for (const name of methods) {
      const method = (target[name] as (...args: unknown[]) => unknown).bind(target);
      const guarded = async (...args: unknown[]): Promise<unknown> => {
        const refusal = this.refusal();
        if (refusal !== undefined) throw leadTo(refusal, linesOf(captureFrames(guarded)));
        try {
          return await method(...args);
        } catch (error) {
          // The scope has closed while the statement waited for the connection.
          throw isReleasedError(error) ? (this.refusal() ?? error) : error;
        }
      };
      Object.assign(target, { [name]: guarded });
    }
  }

  /** True for the hooks and disposers of the scope. */
  private isOfEnd(): boolean {
    return [...contexts()].some(
      ({ isEnd, owner }) =>
        isEnd && (owner as { notice?: ScopeNotice } | undefined)?.notice === this.scope,
    );
  }

  private refusal(): ScopeClosedError | undefined {
    if (!this.isInScope) return outside();
    return this.isOver ? this.closed() : undefined;
  }

  private closed(): ScopeClosedError {
    return this.scope === undefined
      ? outside()
      : closedError(this.scope, 'use a scoped EntityManager or Repository');
  }

  private async isInTransaction(): Promise<boolean> {
    const client = await this.client();
    // The status is that of the last statement that has finished, and work may not have awaited its `save()`.
    if (client?.getTransactionStatus !== undefined && this.bounding !== undefined) {
      if (!this.isOver) return true; // without waiting, because `release()` discards the connection
      await this.bounding;
    }
    const status = client?.getTransactionStatus?.();
    if (status !== undefined && status !== null) return status !== 'I';
    return client?.inTransaction ?? this.runner.isTransactionActive;
  }
}

/** Matches statements that begin or end a transaction. */
const BOUNDARY = /^(BEGIN|START|COMMIT|END|ROLLBACK|ABORT)\b/i;

function isReleasedError(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'QueryRunnerAlreadyReleasedError';
}

/** Keeps the repositories of a manager in its transaction. */
function keepRepositories(manager: EntityManager): void {
  for (const name of ['getRepository', 'getTreeRepository', 'withRepository'] as const) {
    const create = manager[name].bind(manager) as (of: never) => Repository<ObjectLiteral>;
    Object.assign(manager, { [name]: (of: never) => keep(create(of), manager) });
  }
}

/** Sets the manager of a repository again, if a package such as typeorm-transactional replaces it with another one. */
function keep(
  repository: Repository<ObjectLiteral>,
  manager: EntityManager,
): Repository<ObjectLiteral> {
  if (Object.hasOwn(repository, 'manager')) return repository;
  const extend = repository.extend.bind(repository);
  return Object.defineProperties(repository, {
    manager: { value: manager },
    extend: { value: (custom: object) => keep(extend(custom), manager) },
  });
}

function outside(): ScopeClosedError {
  return new ScopeClosedError(undefined, OUTSIDE);
}

const OUTSIDE =
  'A scoped EntityManager or Repository was used outside a scope, for example in an HTTP request. Its statement was refused, because no scope would release the connection. Inject the EntityManager or Repository of @nestjs/typeorm instead, or run the code with ProviderScopeFactory.run().';

const UNAWAITED =
  'A statement was still under way when the scope ended, so the library rolled its transaction back. Await all work in the handler.';

const LEFT_OPEN =
  'The handler began a transaction and did not end it, so the library rolled it back. End it, or set { transaction: true }.';
