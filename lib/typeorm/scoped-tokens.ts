import type { EntityTarget, ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import { getOrAdd } from '../util/values.js';

/** The name of the data source that `TypeOrmModule.forRoot()` creates without a `name`. */
export const DEFAULT_DATA_SOURCE = 'default';

/** How TypeORM 0.3 and 1.x recognize an `EntitySchema`, even one from another copy of TypeORM. */
const SCHEMA = Symbol.for('EntitySchema');

const repositoryTokens = new WeakMap<object, Map<string, symbol>>();

/** Returns the token of the scoped `EntityManager` of a data source. */
export function getScopedEntityManagerToken(dataSource: string = DEFAULT_DATA_SOURCE): string {
  return `nestjs-scoped-worker:EntityManager:${dataSource}`;
}

/**
 * Returns the token of the scoped `Repository` of an entity. Compares entities by identity, because two may have the same name. An
 * `EntitySchema` whose `target` is a class has the token of that class.
 *
 * @throws {InvalidOptionsError} if the entity is undefined.
 */
export function getScopedRepositoryToken<Entity extends ObjectLiteral>(
  entity: EntityTarget<Entity>,
  dataSource: string = DEFAULT_DATA_SOURCE,
): symbol | string {
  refuseNoEntity('getScopedRepositoryToken()', entity);
  if (typeof entity === 'string') return `nestjs-scoped-worker:Repository:${dataSource}:${entity}`;
  const byDataSource = getOrAdd(repositoryTokens, classOf(entity), () => new Map());
  return getOrAdd(byDataSource, dataSource, () =>
    Symbol(
      `scoped Repository of ${entityName(entity)} (${dataSource}), from ScopedTypeOrmModule.forFeature()`,
    ),
  );
}

/**
 * Returns the `target` class of an `EntitySchema`, and any other entity unchanged. As with `@nestjs/typeorm`, a repository can be
 * injected by the schema or by its class.
 */
function classOf(entity: object): object {
  const { options } = entity as { readonly options?: { readonly target?: unknown } };
  const isSchema = (entity as { '@instanceof'?: unknown })['@instanceof'] === SCHEMA;
  return isSchema && typeof options?.target === 'function' ? options.target : entity;
}

/** Rejects an entity that a circular import has left undefined. */
export function refuseNoEntity(caller: string, entity: unknown): void {
  if (entity === undefined || entity === null)
    throw new InvalidOptionsError([
      `${caller}: the entity is undefined. Look for a circular import.`,
    ]);
}

/** Returns the name of an entity for error texts. */
export function entityName(entity: EntityTarget<ObjectLiteral>): string {
  if (typeof entity === 'string') return entity;
  const { name, options } = entity as { name?: string; options?: { name?: string } };
  return name ?? options?.name ?? 'entity';
}
