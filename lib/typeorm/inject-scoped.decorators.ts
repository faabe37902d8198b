import { Inject } from '@nestjs/common';
import type { EntityTarget, ObjectLiteral } from 'typeorm';
import { refuseBare } from '../errors/errors.js';
import {
  getScopedEntityManagerToken,
  getScopedRepositoryToken,
  refuseNoEntity,
} from './scoped-tokens.js';

/**
 * Injects the `EntityManager` of the scope. Every scope has a new entity manager with its own connection. The manager takes the
 * connection on first use and releases it when the scope is disposed.
 *
 * @param dataSource the name of the data source. Defaults to the default data source.
 * @publicApi
 */
export function InjectScopedEntityManager(
  dataSource?: string,
): PropertyDecorator & ParameterDecorator {
  refuseBare('@InjectScopedEntityManager()', arguments);
  return Inject(getScopedEntityManagerToken(dataSource));
}

/**
 * Injects the `Repository` of an entity, which uses the scope's `EntityManager`.
 *
 * @param dataSource the name of the data source. Defaults to the default data source.
 * @throws {InvalidOptionsError} if the entity is undefined, for example because of a circular import.
 * @publicApi
 */
export function InjectScopedRepository<Entity extends ObjectLiteral>(
  entity: EntityTarget<Entity>,
  dataSource?: string,
): PropertyDecorator & ParameterDecorator {
  refuseBare('@InjectScopedRepository(Entity)', arguments, { takesClass: true });
  refuseNoEntity('@InjectScopedRepository()', entity);
  return Inject(getScopedRepositoryToken(entity, dataSource));
}
