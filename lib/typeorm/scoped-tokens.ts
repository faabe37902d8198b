import type { EntityTarget, ObjectLiteral } from 'typeorm';

/** Name of the data source that `TypeOrmModule.forRoot()` makes without a `name`. */
export const DEFAULT_DATA_SOURCE = 'default';

const repositoryTokens = new WeakMap<object, Map<string, symbol>>();

/** Token of the scoped `EntityManager` of a data source. */
export function getScopedEntityManagerToken(dataSource: string = DEFAULT_DATA_SOURCE): string {
  return `nestjs-scoped-worker:EntityManager:${dataSource}`;
}

/** Token of the scoped `Repository` of an entity: by identity, since two files may name an entity alike. */
export function getScopedRepositoryToken<Entity extends ObjectLiteral>(
  entity: EntityTarget<Entity>,
  dataSource: string = DEFAULT_DATA_SOURCE,
): symbol | string {
  if (typeof entity === 'string') return `nestjs-scoped-worker:Repository:${dataSource}:${entity}`;
  let byDataSource = repositoryTokens.get(entity);
  if (byDataSource === undefined) repositoryTokens.set(entity, (byDataSource = new Map()));
  let token = byDataSource.get(dataSource);
  if (token === undefined) {
    token = Symbol(`Repository of ${entityName(entity)} (${dataSource})`);
    byDataSource.set(dataSource, token);
  }
  return token;
}

/** An entity for messages. */
export function entityName(entity: EntityTarget<ObjectLiteral>): string {
  if (typeof entity === 'string') return entity;
  const { name, options } = entity as { name?: string; options?: { name?: string } };
  return name ?? options?.name ?? 'entity';
}
