import type { EntityManager, QueryRunner } from 'typeorm';
import { ScopeClosedError } from '../errors/errors.js';
import type { ScopeHooks } from '../scope/provider-scope.js';
import { closedError } from '../scope/scope-ports.js';
import type { ScopeNotice } from '../scope/scope-ports.js';
import { livingContext } from '../scope/work-context.js';
import { captureFrames, leadTo, linesOf } from './frames.js';
import { LazyTransaction } from './lazy-transaction.js';

/** Session state that some connections expose. */
interface Client {
  /** `pg`: idle, in a transaction, or in one that has failed. */
  getTransactionStatus?(): 'I' | 'T' | 'E' | null;
  /** better-sqlite3 */
  readonly inTransaction?: boolean;
}

/** TypeORM's way to give a broken connection back, so that the pool throws it away. */
interface OpenRunner {
  releasePostgresConnection?(error: unknown): Promise<void>;
}

/**
 * One query runner for one scope: its connection, and its transaction when it has one. Nest may hand it out behind a proxy, which
 * `#private` fields would refuse.
 */
export class ScopedConnection implements ScopeHooks, AsyncDisposable {
  private readonly runner: QueryRunner;
  private readonly rollBack: () => Promise<unknown>;
  private readonly transaction: LazyTransaction | undefined;
  private connecting: Promise<unknown> | undefined;
  /** The scope inside which it is built. */
  private readonly scope = (livingContext()?.owner as { notice?: ScopeNotice } | undefined)?.notice;
  private isInScope = false;
  private isOver = false;
  private hasFailed = false;

  constructor(runner: QueryRunner, driver: string, transactional: boolean) {
    const connect = runner.connect.bind(runner);
    runner.connect = () =>
      this.isInScope ? (this.connecting = connect()) : Promise.reject(outside());
    this.runner = runner;
    const query = runner.query.bind(runner);
    this.rollBack = () => query('ROLLBACK');
    this.transaction = transactional ? new LazyTransaction(runner, driver) : undefined;
    // The rest of both calls one of these. Those of the manager look at the query runner first.
    this.guard(runner, ['query', 'stream', 'startTransaction']);
    this.guard(runner.manager, ['query', 'transaction']);
  }

  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** Only a scope calls it, and only a scope gives the connection back. */
  onScopeInit(): void {
    this.isInScope = true;
  }

  async onScopeCommit(): Promise<'committed' | undefined> {
    this.hasFailed = true; // until it has not
    const hasCommitted = await this.transaction?.commit();
    this.hasFailed = false;
    return hasCommitted === true ? 'committed' : undefined;
  }

  async onScopeRollback(): Promise<void> {
    this.hasFailed = true;
    await this.transaction?.rollback();
  }

  /**
   * Gives the connection back. TypeORM forgets a connection that arrives after `release()`, so one that is
   * still being taken is waited for. A transaction that is still open (its rollback failed, or user code began it) is
   * rolled back first: the pool would hand it to the next one.
   *
   * @throws Error when work that has succeeded left a transaction open, because that work is lost.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.connecting?.catch(() => undefined); // whoever sent the statement has that error
    const isLeftOpen =
      !this.runner.isReleased && this.isInTransaction(client as Client | undefined);
    if (isLeftOpen) {
      try {
        // Savepoints that were sent at once may have lost their names; this ends the transaction whatever it holds.
        await this.rollBack();
        Object.assign(this.runner, { isTransactionActive: false });
      } catch (error) {
        await (this.runner as OpenRunner).releasePostgresConnection?.(error);
        throw error;
      } finally {
        await this.release();
      }
      if (!this.hasFailed) throw new Error(LEFT_OPEN);
    } else {
      await this.release();
    }
  }

  private release(): Promise<void> {
    this.isOver = true;
    return this.runner.release();
  }

  /** Refuses calls outside of the scope and after it, with an error that leads to the caller. */
  private guard<T extends object>(target: T, methods: readonly (keyof T)[]): void {
    for (const name of methods) {
      const method = (target[name] as (...args: unknown[]) => Promise<unknown>).bind(target);
      const guarded = (...args: unknown[]): Promise<unknown> => {
        const refusal = this.refusal();
        if (refusal === undefined) return method(...args);
        return Promise.reject(leadTo(refusal, linesOf(captureFrames(guarded))));
      };
      Object.assign(target, { [name]: guarded });
    }
  }

  private refusal(): ScopeClosedError | undefined {
    if (!this.isInScope) return outside();
    return this.isOver && this.scope !== undefined
      ? closedError(this.scope, 'use a scoped EntityManager or Repository')
      : undefined;
  }

  private isInTransaction(client: Client | undefined): boolean {
    const status = client?.getTransactionStatus?.();
    if (status !== undefined && status !== null) return status !== 'I';
    return client?.inTransaction ?? this.runner.isTransactionActive;
  }
}

function outside(): ScopeClosedError {
  return new ScopeClosedError(undefined, OUTSIDE);
}

const OUTSIDE =
  'A scoped EntityManager or Repository was used outside of a scope, for example in an HTTP request. Its statement was refused, because nobody would give the connection back. Inject the EntityManager or Repository of @nestjs/typeorm there, or run the code with ProviderScopeFactory.run().';

const LEFT_OPEN =
  'The handler began a transaction and did not end it; it was rolled back. End it, or ask for { transaction: true }.';
