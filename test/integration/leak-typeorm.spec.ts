import { detectLeaks } from '../support/detect-leaks.js';

// Every scenario of TypeORM once more, with each manager, repository and connection of a scope in a proxy.
detectLeaks({ strict: true, graceMs: 0 });
await import('./typeorm-by-hand.spec.js');
await import('./typeorm-connection.spec.js');
await import('./typeorm-data-source.spec.js');
await import('./typeorm-outside.spec.js');
await import('./typeorm-pool.spec.js');
await import('./typeorm-sqlite.spec.js');
await import('./typeorm-sqlite-shared.spec.js');
await import('./typeorm-sqlite-writers.spec.js');
await import('./typeorm-transaction.spec.js');
