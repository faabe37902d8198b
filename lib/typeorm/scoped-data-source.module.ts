import {
  Logger,
  Module,
  Optional,
  Scope,
  type DynamicModule,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { DataSource, EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import { ScopedWorkerEvents } from '../events/scoped-worker-events.js';
import { scopeOfBuild } from '../scope/scope-ports.js';
import { OnceStores } from '../tick/once.js';
import { ProviderScopeFactory } from '../tick/provider-scope-factory.js';
import { getOrAdd } from '../util/values.js';
import { OnceTable } from './once-table.js';
import { ScopedConnection } from './scoped-connection.js';
import { scopeRunnersOf, type ScopeRunners } from './connection-sharing.js';
import { loadTypeOrm } from './typeorm-peer.js';

const logger = new Logger('ScopedWorker');

/** Holds the entity manager of a scope. */
export interface ManagerOfScope {
  readonly manager: EntityManager;
}

/**
 * Looks up a data source of the application once, and finds out how scopes connect to it. Nest may wrap this object in a proxy, on
 * which `#private` fields would throw.
 */
export class DataSourceLookup {
  private dataSource: DataSource | undefined;
  private runners: ScopeRunners | undefined;
  /** Undefined without a transaction. */
  private once: OnceTable | undefined;

  constructor(
    readonly name: string,
    private readonly isTransactional: boolean,
    private readonly moduleRef: ModuleRef,
    events: ScopedWorkerEvents | undefined,
    private readonly stores: OnceStores | undefined,
  ) {
    // This event precedes the application's shutdown hooks, so their writes don't wait for an abandoned tick.
    events?.on('shutdown:finished', () => this.runners?.afterDrain?.());
  }

  /**
   * Creates the scope's own connection. If all scopes share one connection, creates only an entity manager, which needs no
   * disposal.
   *
   * `onModuleInit()` might not have run yet: a hybrid application handles messages earlier, and Nest calls no hooks in lazily
   * loaded modules.
   */
  connect(): ManagerOfScope | Promise<ManagerOfScope> {
    const { dataSource, runners } = this;
    if (dataSource === undefined || runners === undefined)
      return this.find().then(() => this.connect());
    const { create } = runners;
    return create === undefined
      ? { manager: dataSource.createEntityManager() }
      : new ScopedConnection(
          create(this.isTransactional),
          dataSource.options.type,
          this.isTransactional,
          this.once?.recorder(scopeOfBuild()),
        );
  }

  /** Runs at start-up, when all data sources exist. */
  async onModuleInit(): Promise<void> {
    await this.find();
    this.runners?.onStart?.();
  }

  /** Returns true if the data source doesn't have the entity, so that each statement of its repository would fail. */
  async lacks(entity: EntityTarget<ObjectLiteral>): Promise<boolean> {
    const dataSource: Partial<DataSource> = await this.dataSourceOfApplication(); // may be a test double
    const { isInitialized, entityMetadatas = [], options } = dataSource;
    if (isInitialized !== true) return false;
    // TypeORM sets `isInitialized` before it reads the entities.
    const isReading =
      entityMetadatas.length === 0 && Object.keys(options?.entities ?? {}).length > 0;
    return !isReading && dataSource.hasMetadata?.(entity) === false;
  }

  private async find(): Promise<void> {
    this.dataSource = await this.dataSourceOfApplication();
    const runners = await scopeRunnersOf(this.dataSource);
    if (runners.create === undefined && this.isTransactional) {
      throw new InvalidOptionsError([noTransaction(this.name, runners.sharedBecause)]);
    }
    if (runners.create === undefined && runners.isUnexpected === true)
      logger.warn(sharedText(this.name, runners.sharedBecause));
    if (this.isTransactional)
      this.stores?.add((this.once = new OnceTable(this.name, this.dataSource)));
    this.runners = runners;
  }

  private async dataSourceOfApplication(): Promise<DataSource> {
    const { getDataSourceToken } = await loadTypeOrm();
    try {
      return this.moduleRef.get<DataSource>(getDataSourceToken(this.name) as never, {
        strict: false,
      });
    } catch (cause) {
      throw new InvalidOptionsError([unknownDataSource(this.name)], { cause });
    }
  }
}

function noTransaction(name: string, because: string): string {
  return `ScopedTypeOrmModule.forFeature(): { transaction: true } needs a connection for each scope, but the data source "${name}" ${because}. Use a database server or a database file that supports WAL, or omit the option.`;
}

function sharedText(name: string, because: string): string {
  return `All scopes share one connection with the rest of the application: the data source "${name}" ${because}. A rollback can undo writes made by other code.`;
}

function unknownDataSource(name: string): string {
  return name === 'default'
    ? 'ScopedTypeOrmModule.forFeature(): the application has no default data source. Import TypeOrmModule.forRoot(), or name another with { dataSource }.'
    : `ScopedTypeOrmModule.forFeature(): the application has no data source named "${name}". Import TypeOrmModule.forRoot({ name: '${name}', ... }), or correct { dataSource }.`;
}

const modules = new Map<string, DynamicModule>();

/** Returns the token of a scope's connection. */
export function connectionToken(dataSource: string, transactional: boolean): string {
  return `nestjs-scoped-worker:${transactional ? 'Transaction' : 'Connection'}:${dataSource}`;
}

/** Returns the token of the `DataSourceLookup` that belongs to the token of a connection. */
export function lookupToken(connection: string): string {
  return connection.replace(':', ':lookup:');
}

/** Warns if the application doesn't import `ScopedWorkerModule`: nothing else would report that no worker runs. */
@Module({})
class WorkerModuleCheck implements OnApplicationBootstrap {
  constructor(@Optional() private readonly scopes?: ProviderScopeFactory) {}

  onApplicationBootstrap(): void {
    if (this.scopes === undefined) logger.warn(NO_WORKERS);
  }
}

const NO_WORKERS =
  'The application imports ScopedTypeOrmModule, but not ScopedWorkerModule, so no @ScopedWorker() or BackgroundWorker runs. Import ScopedWorkerModule.forRoot() in the root module. If this process must not run any jobs, set defaults: { disabled: true } there.';

/**
 * Provides each scope with a connection to one data source. All `forFeature()` calls with the same options share one
 * definition, so that Nest creates one module and a scope has one connection.
 */
@Module({})
export class ScopedDataSourceModule {
  static for(dataSource: string, transactional: boolean): DynamicModule {
    const token = connectionToken(dataSource, transactional);
    const lookup = lookupToken(token);
    return getOrAdd(modules, token, () => ({
      module: ScopedDataSourceModule,
      imports: [WorkerModuleCheck],
      providers: [
        {
          provide: lookup,
          inject: [
            ModuleRef,
            { token: ScopedWorkerEvents, optional: true },
            { token: OnceStores, optional: true },
          ],
          useFactory: (moduleRef: ModuleRef, events?: ScopedWorkerEvents, stores?: OnceStores) =>
            new DataSourceLookup(dataSource, transactional, moduleRef, events, stores),
        },
        {
          provide: token,
          scope: Scope.REQUEST,
          inject: [lookup],
          useFactory: (found: DataSourceLookup) => found.connect(),
        },
      ],
      exports: [token],
    }));
  }
}
