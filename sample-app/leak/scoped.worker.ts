import { ScopedInterval, ScopedWorker } from 'nestjs-scoped-worker';
import { ImportJob } from './import.job.js';
import { UnitOfWork } from './unit-of-work.js';

/** Runs the job with the unit of work of the tick, as it should be. */
@ScopedWorker()
export class ScopedImport {
  constructor(
    private readonly job: ImportJob,
    private readonly unit: UnitOfWork,
  ) {}

  @ScopedInterval(20)
  run(): void {
    this.job.run(this.unit);
  }
}
