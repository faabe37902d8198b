import { Injectable } from '@nestjs/common';
import { ScopedInterval, ScopedWorker } from 'nestjs-scoped-worker';
import { ImportJob } from './import.job.js';
import { UnitOfWork } from './unit-of-work.js';

/** A singleton, as caches and registries are. */
@Injectable()
export class Connections {
  /** The unit of work of the first tick: "building one each time is slow". It keeps what it has read, for ever. */
  captured: UnitOfWork | undefined;
}

/** The same job, the naive way. */
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
