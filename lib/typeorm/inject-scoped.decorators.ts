import { Inject } from '@nestjs/common';
import type { EntityTarget, ObjectLiteral } from 'typeorm';
import { getScopedEntityManagerToken, getScopedRepositoryToken } from './scoped-tokens.js';

/**
 * Injects the `EntityManager` of the scope: new in every scope, on a connection of its own, which it takes on
 * first use and gives back when the scope is disposed.
 *
 * @param dataSource name of the data source; the default one when left out.
 * @publicApi
 */
export function InjectScopedEntityManager(
  dataSource?: string,
): PropertyDecorator & ParameterDecorator {
  return Inject(getScopedEntityManagerToken(dataSource));
}

/**
 * Injects the `Repository` of an entity, on the scope's `EntityManager`.
 *
 * @param dataSource name of the data source; the default one when left out.
 * @publicApi
 */
export function InjectScopedRepository<Entity extends ObjectLiteral>(
  entity: EntityTarget<Entity>,
  dataSource?: string,
): PropertyDecorator & ParameterDecorator {
  return Inject(getScopedRepositoryToken(entity, dataSource));
}
