import { Controller, Get } from '@nestjs/common';
import { ScopedWorkerRegistry, type ScopedWorkerStats } from 'nestjs-scoped-worker';
import { PoolNumbers, type PoolCount } from '../ticks/pool-numbers.js';
import { TickJournal, type TickEntry } from '../ticks/tick-journal.js';

interface ScheduleView {
  readonly name: string;
  readonly handler: string;
  readonly state: string;
  readonly nextRun: Date | undefined;
  readonly running: number;
}

interface TicksView {
  readonly stats: ScopedWorkerStats;
  readonly pool: PoolCount;
  readonly schedules: readonly ScheduleView[];
  readonly latest: readonly TickEntry[];
}

@Controller('ticks')
export class TicksController {
  constructor(
    private readonly registry: ScopedWorkerRegistry,
    private readonly journal: TickJournal,
    private readonly pool: PoolNumbers,
  ) {}

  /** The schedules, the library's counts, and the last hundred ticks, newest first. */
  @Get()
  latest(): TicksView {
    return {
      stats: this.registry.stats(),
      pool: this.pool.now(),
      schedules: this.registry.list().map(({ name, handler, state, nextRun, running }) => ({
        name,
        handler,
        state,
        nextRun,
        running,
      })),
      latest: this.journal.latest,
    };
  }
}
