import type { EntityManager, ObjectLiteral, Repository } from 'typeorm';

/** Keeps the repositories of an entity manager in the transaction of that manager. */
export function keepRepositories(manager: EntityManager): void {
  for (const name of ['getRepository', 'getTreeRepository', 'withRepository'] as const) {
    const create = manager[name].bind(manager) as (of: never) => Repository<ObjectLiteral>;
    Object.assign(manager, { [name]: (of: never) => keep(create(of), manager) });
  }
}

/** Sets the `manager` of a repository again if a package such as typeorm-transactional has made this property an accessor. */
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
