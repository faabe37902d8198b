import { Controller, Get } from '@nestjs/common';
import { ScopedWorkerRegistry, type ScopedWorkerStats } from 'nestjs-scoped-worker';
import { PoolNumbers, type PoolCount } from '../ticks/pool-numbers.js';
import type { TickEntry } from '../ticks/tick-entry.js';
import { TickJournal } from '../ticks/tick-journal.js';

interface TicksView {
  readonly stats: ScopedWorkerStats;
  readonly pool: PoolCount;
  readonly latest: readonly TickEntry[];
}

@Controller('ticks')
export class TicksController {
  constructor(
    private readonly registry: ScopedWorkerRegistry,
    private readonly journal: TickJournal,
    private readonly pool: PoolNumbers,
  ) {}

  /** Returns the library's counts, and the last hundred attempts and standalone scopes, newest first. */
  @Get()
  latest(): TicksView {
    return {
      stats: this.registry.stats(),
      pool: this.pool.now(),
      latest: this.journal.latest,
    };
  }
}
