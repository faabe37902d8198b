import { types } from 'node:util';
import {
  Module,
  Scope,
  type DynamicModule,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import type { EntityManager, EntityTarget, ObjectLiteral, Repository } from 'typeorm';
import { optionsProblems, show } from '../util/option-checks.js';
import { getOrAdd } from '../util/values.js';
import { InvalidOptionsError } from '../errors/errors.js';
import {
  connectionToken,
  lookupToken,
  ScopedDataSourceModule,
  type DataSourceLookup,
  type ManagerOfScope,
} from './scoped-data-source.module.js';
import {
  DEFAULT_DATA_SOURCE,
  entityName,
  getScopedEntityManagerToken,
  getScopedRepositoryToken,
} from './scoped-tokens.js';
import { loadTypeOrm } from './typeorm-peer.js';

/** @publicApi */
export interface ScopedTypeOrmOptions {
  /** The name of the data source. @defaultValue the default data source */
  readonly dataSource?: string;
  /**
   * Runs the scope in one transaction. The transaction begins with the first statement, commits if the work succeeds, and rolls
   * back if the work fails, is cancelled or times out. Without this option, each `save()` has its own transaction. In one scope,
   * modules with this option and modules without it use two connections.
   *
   * @defaultValue false
   */
  readonly transaction?: boolean;
}

/**
 * Rejects modules that import an entity both with and without a transaction, because Nest injects only one of the two repositories.
 * Also rejects entities that the data source doesn't have.
 */
@Module({})
class ImportCheck implements OnModuleInit {
  constructor(
    private readonly modules: ModulesContainer,
    private readonly moduleRef: ModuleRef,
  ) {}

  async onModuleInit(): Promise<void> {
    // An `instanceDecorator` may have wrapped the container, and methods of `Map` throw on a wrapper.
    if (!types.isMap(this.modules)) return;
    const modules = [...this.modules.values()];
    const problems = modules.flatMap((module) => importedTwice(module).map(twiceText(module)));
    const lacking = modules.flatMap(repositoriesOf).map((each) => this.lackOf(each));
    for (const text of await Promise.all(lacking)) if (text !== undefined) problems.push(text);
    if (problems.length > 0) throw new InvalidOptionsError([...new Set(problems)]);
  }

  private async lackOf({ entity, connection }: RepositoryProvider): Promise<string | undefined> {
    const lookup = this.moduleRef.get<DataSourceLookup>(lookupToken(connection), { strict: false });
    if (!(await lookup.lacks(entity))) return undefined;
    return `ScopedTypeOrmModule.forFeature(): the data source "${lookup.name}" has no entity ${entityName(entity)}. Add it to the entities in the options of the data source, or set autoLoadEntities: true there.`;
  }
}

type NestModule = ModulesContainer extends Map<string, infer Each> ? Each : never;

interface RepositoryProvider {
  readonly token: unknown;
  readonly entity: EntityTarget<ObjectLiteral>;
  readonly connection: string;
}

/** Lists the repositories that one `forFeature()` provides, except those that a test has overridden. */
function repositoriesOf({ metatype, providers }: NestModule): RepositoryProvider[] {
  if (metatype !== ScopedTypeOrmModule) return [];
  return [...providers.values()].flatMap(({ token, metatype: factory, inject }) => {
    const entity = entityOfFactory.get(factory as RepositoryFactory);
    return entity === undefined ? [] : { token, entity, connection: inject![0] as string };
  });
}

function importedTwice({ imports }: NestModule): EntityTarget<ObjectLiteral>[] {
  const connections = new Map<unknown, string>();
  const twice = [...imports]
    .flatMap(repositoriesOf)
    .filter(
      ({ token, connection }) => getOrAdd(connections, token, () => connection) !== connection,
    );
  return twice.map(({ entity }) => entity);
}

function twiceText({ name }: NestModule): (entity: EntityTarget<ObjectLiteral>) => string {
  return (entity) =>
    `${name} imports ScopedTypeOrmModule.forFeature() for ${entityName(entity)} with { transaction: true } and without it. Nest injects only one of the two repositories. Remove ${entityName(entity)} from one of the imports.`;
}

/**
 * Provides TypeORM in scopes. Each scope has a new `EntityManager` and new repositories on one connection. The scope takes the
 * connection on first use and releases it on disposal.
 *
 * @publicApi
 */
@Module({})
export class ScopedTypeOrmModule {
  /**
   * Provides what `@InjectScopedEntityManager()` and, for each entity, `@InjectScopedRepository(Entity)` inject in the importing
   * module. Registers the entities for `autoLoadEntities`, as `TypeOrmModule.forFeature()` does. The singleton repositories of
   * `TypeOrmModule` aren't affected.
   *
   * @throws {MissingPeerError} at start-up, if `@nestjs/typeorm` isn't installed.
   * @throws {InvalidOptionsError} immediately for options of the wrong type; at start-up, if the application lacks the data source,
   * or the data source lacks an entity.
   */
  static forFeature(
    entities: readonly EntityTarget<ObjectLiteral>[] = [],
    options: ScopedTypeOrmOptions = {},
  ): DynamicModule {
    check(entities, options);
    const { dataSource = DEFAULT_DATA_SOURCE, transaction = false } = options;
    const inject = [connectionToken(dataSource, transaction)];
    const manager: Provider = {
      provide: getScopedEntityManagerToken(dataSource),
      scope: Scope.REQUEST,
      inject,
      useFactory: managerOf,
    };
    const repositories = entities.map((entity): Provider => ({
      provide: getScopedRepositoryToken(entity, dataSource),
      scope: Scope.REQUEST,
      inject,
      useFactory: repositoryFactory(entity),
    }));
    const registration = loadTypeOrm().then(({ TypeOrmModule }) =>
      TypeOrmModule.forFeature([...entities] as never, dataSource),
    );
    registration.catch(() => undefined); // Nest awaits the import and reports its error; an unused module must not end the process.
    const providers = [manager, ...repositories];
    return {
      module: ScopedTypeOrmModule,
      imports: [ImportCheck, ScopedDataSourceModule.for(dataSource, transaction), registration],
      providers,
      exports: providers,
    };
  }
}

const managerOf = ({ manager }: ManagerOfScope): EntityManager => manager;

type RepositoryFactory = (connection: ManagerOfScope) => Repository<ObjectLiteral>;

const repositoryFactories = new Map<EntityTarget<ObjectLiteral>, RepositoryFactory>();
const entityOfFactory = new Map<RepositoryFactory, EntityTarget<ObjectLiteral>>();

/** Returns the same function for an entity each time, so that the providers of several imports count as equal. */
function repositoryFactory(entity: EntityTarget<ObjectLiteral>): RepositoryFactory {
  let factory = repositoryFactories.get(entity);
  if (factory === undefined) {
    repositoryFactories.set(entity, (factory = ({ manager }) => manager.getRepository(entity)));
    entityOfFactory.set(factory, entity);
  }
  return factory;
}

/** The types of an entity: a class, the name of an `EntitySchema`, or the schema itself. */
const KINDS_OF_ENTITY = ['function', 'string', 'object'];

function check(entities: unknown, options: ScopedTypeOrmOptions): void {
  const problems: string[] = [];
  const say = (problem: string): void =>
    void problems.push(`ScopedTypeOrmModule.forFeature(): ${problem}.`);
  if (!Array.isArray(entities)) say('the first argument must be an array of entities');
  else if (entities.some((entity) => entity === undefined || entity === null)) {
    say('one of the entities is undefined. Look for a circular import');
  } else {
    const strange = entities.filter((entity) => !KINDS_OF_ENTITY.includes(typeof entity));
    for (const entity of strange)
      say(`an entity must be a class, an EntitySchema or its name, not ${show(entity)}`);
  }
  for (const problem of optionsProblems(options, ['dataSource', 'transaction'])) say(problem);
  const { dataSource, transaction } = options ?? {};
  if (dataSource !== undefined && (typeof dataSource !== 'string' || dataSource === '')) {
    say('dataSource must be a string: the name of a data source');
  }
  if (transaction !== undefined && typeof transaction !== 'boolean')
    say('transaction must be true or false');
  if (problems.length > 0) throw new InvalidOptionsError(problems);
}
