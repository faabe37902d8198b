export { InjectScopedEntityManager, InjectScopedRepository } from './inject-scoped.decorators.js';
export { getScopedEntityManagerToken, getScopedRepositoryToken } from './scoped-tokens.js';
export { ScopedTypeOrmModule, type ScopedTypeOrmOptions } from './scoped-typeorm.module.js';
