import { Injectable } from '@nestjs/common';
import { ScopedInterval, ScopedWorker } from 'nestjs-scoped-worker';
import { ImportJob } from './import.job.js';
import { UnitOfWork } from './unit-of-work.js';

/** A singleton, like a cache or a registry. */
@Injectable()
export class Connections {
  /** The unit of work of the first tick, kept because "building one each time is slow". It keeps all rows that it has read. */
  captured: UnitOfWork | undefined;
}

/** Runs the job in the naive way. */
@ScopedWorker()
export class NaiveImport {
  constructor(
    private readonly job: ImportJob,
    private readonly connections: Connections,
    private readonly unit: UnitOfWork,
  ) {}

  @ScopedInterval(20)
  run(): void {
    this.connections.captured ??= this.unit;
    this.job.run(this.connections.captured);
  }
}
