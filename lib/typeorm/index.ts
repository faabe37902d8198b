export { InjectScopedEntityManager, InjectScopedRepository } from './inject-scoped.decorators.js';
export { CreateScopedWorkerOnce1764374400000, OnceRecordEntity } from './once-schema.js';
export { outboxChannel } from './outbox-channel.js';
export type { OutboxSourceOptions } from './outbox-options.js';
export { outboxSource } from './outbox-source.js';
export { getScopedEntityManagerToken, getScopedRepositoryToken } from './scoped-tokens.js';
export { ScopedTypeOrmModule, type ScopedTypeOrmOptions } from './scoped-typeorm.module.js';
