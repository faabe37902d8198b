import { ScopedInterval, ScopedWorker } from 'nestjs-scoped-worker';
import { ImportJob } from './import.job.js';
import { UnitOfWork } from './unit-of-work.js';

/** As it should be: the unit of work of the tick. */
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
