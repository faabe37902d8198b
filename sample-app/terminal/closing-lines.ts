import type { INestApplicationContext } from '@nestjs/common';
import { ScopedWorkerEvents, ScopedWorkerRegistry } from 'nestjs-scoped-worker';
import { PoolNumbers } from '../ticks/pool-numbers.js';
import { TickJournal } from '../ticks/tick-journal.js';

/** Prints on shutdown how long the application waited, what it did, and whether connections are left. */
export function printClosingLines(app: INestApplicationContext): void {
  const registry = app.get(ScopedWorkerRegistry);
  const journal = app.get(TickJournal, { strict: false });
  const pool = app.get(PoolNumbers, { strict: false });
  const events = app.get(ScopedWorkerEvents);
  let waitingFor: readonly string[] = [];
  events.once('shutdown:started', (start) => (waitingFor = start.waitingFor));
  // The last moment at which the pool exists: the data source is destroyed after the workers.
  events.once('shutdown:finished', ({ waitedMs }) => {
    const { openedScopes, closedScopes } = registry.stats();
    const { idle, total } = pool.now();
    if (waitingFor.length > 0) console.log(`Waited ${Math.round(waitedMs)} ms.`);
    console.log(
      `Stopped: ${journal.count} ticks, scopes ${openedScopes} opened and ${closedScopes} closed, pool ${idle}/${total} (${total - idle} kept).`,
    );
  });
}
