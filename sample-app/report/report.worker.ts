import { ScopedCron, ScopedWorker, type Tick } from 'nestjs-scoped-worker';
import { InjectScopedRepository } from 'nestjs-scoped-worker/typeorm';
import { IsNull, type Repository } from 'typeorm';
import { Reading } from '../recording/reading.entity.js';
import { ScopeNotes } from '../ticks/scope-notes.js';
import { Report } from './report.entity.js';

/**
 * Sums up new readings every ten seconds. The tick is one transaction, so nobody sees a report without its readings, or readings
 * marked for a report that failed.
 */
@ScopedWorker()
export class ReportWorker {
  constructor(
    @InjectScopedRepository(Reading) private readonly readings: Repository<Reading>,
    @InjectScopedRepository(Report) private readonly reports: Repository<Report>,
    private readonly notes: ScopeNotes,
  ) {}

  @ScopedCron('*/10 * * * * *', { name: 'report' })
  async sumUp({ scope }: Tick): Promise<void> {
    const text = await this.sumUpReadings();
    this.notes.write(scope, { manager: this.reports.manager, text });
  }

  private async sumUpReadings(): Promise<string> {
    if (!(await this.readings.existsBy({ report: IsNull() }))) return 'no new readings';
    const report = await this.reports.save({ at: new Date() });
    // Marks the readings before reading them, so that a reading stored meanwhile waits for the next report.
    const { affected } = await this.readings.update({ report: IsNull() }, { report });
    const ofReport = { report: { id: report.id } };
    await this.reports.update(report.id, {
      readings: affected ?? 0,
      averageLoad: await this.readings.average('loadAverage', ofReport),
      leastFreeMemoryMb: await this.readings.minimum('freeMemoryMb', ofReport),
      mostHeapUsedMb: await this.readings.maximum('heapUsedMb', ofReport),
      longestEventLoopDelayMs: await this.readings.maximum('eventLoopDelayMs', ofReport),
    });
    return `report ${report.id}: ${affected} readings`;
  }
}
